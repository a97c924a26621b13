"""Files that are there whole or not at all, whoever is killed meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Replace a file, making its folder. Bytes of a host that were no UTF-8 are written as escapes.

    :raises OSError: it cannot be written; what was there is still there
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    part.replace(path)
