"""Files that are there whole or not at all, whoever is killed meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Replace a file, making its folder. Bytes of a host that were no UTF-8 in a text are written
    as escapes.

    :raises OSError: it cannot be written; what was there is still there
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    if isinstance(content, str):
        content = content.encode("utf-8", errors="backslashreplace")
    part.write_bytes(content)
    part.replace(path)
