"""Files that are there whole or not at all, whoever is killed meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, content: str | bytes, *, private: bool = False) -> None:
    """Replace a file, making its folder. Bytes of a host that were no UTF-8 in a text are written
    as escapes.

    :param private: nobody else may read it, whatever the umask
    :raises OSError: it cannot be written; what was there is still there
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    if isinstance(content, str):
        content = content.encode("utf-8", errors="backslashreplace")
    part.unlink(missing_ok=True)
    try:
        # new, and no link that somebody else put there
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(part, flags, 0o600 if private else 0o666), "wb") as file:
            file.write(content)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
