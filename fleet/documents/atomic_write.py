"""Write files completely or not at all, even if the process is killed."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(
    path: Path, content: str | bytes, *, private: bool = False, mode: int | None = None
) -> None:
    """Create or replace a file atomically, and create its folder if necessary.

    Args:
        path: The file.
        content: Its new content. Surrogates in a text (undecodable bytes from a host) are written
            as escapes.
        private: Whether to make it readable by the owner only, regardless of the umask.
        mode: Its permissions, regardless of the umask; by default those of any new file.

    Raises:
        OSError: It cannot be written; the old content is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    if isinstance(content, str):
        content = content.encode("utf-8", errors="backslashreplace")
    partial.unlink(missing_ok=True)
    try:
        # O_EXCL and O_NOFOLLOW: never write through a link that another user put there
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(partial, flags, 0o600 if private else 0o666), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
