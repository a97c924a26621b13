"""SHA-256 of the controller's large files, cached so that not every run reads them again.

An entry is valid while the file's device, inode, size and times are unchanged.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fleet.documents import atomic_write

#: Path -> (device, inode, size and times before the file was read; its SHA-256).
CacheEntries = dict[str, tuple[str, str]]
#: Unused files in a folder of the cache are deleted after this time; they can be recreated.
MAX_AGE_S = 180 * 24 * 3600
#: Where the cache lies for a user without a home folder, below the folder of the run.
FALLBACK_FOLDER = Path("runs") / ".cache"


def index_path() -> Path:
    """Return the path of the cache's index; its folder holds everything that is cached."""
    base = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    if base.startswith("~"):  # no home: never use a folder that others can write to, such as /tmp
        base = str(FALLBACK_FOLDER)
    return Path(base) / "mlufleet" / "measured.json"


def prune_folder(folder: Path) -> None:
    """Delete the files in a folder of the cache that are older than :data:`MAX_AGE_S`.

    Args:
        folder: A folder that contains only files.

    Raises:
        OSError: A file cannot be deleted.
    """
    for file in folder.iterdir():
        if time.time() - file.stat().st_mtime > MAX_AGE_S:
            file.unlink(missing_ok=True)


def _load_entries() -> CacheEntries:
    try:
        entries = json.loads(index_path().read_text())
        return {str(path): (str(identity), str(sha)) for path, (identity, sha) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _get_file_identity(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"


def compute_checksums(
    paths: list[Path], compute: Callable[[Path], str], *, force: bool = False
) -> dict[Path, str]:
    """Return the SHA-256 of files, from the cache if they are unchanged.

    Args:
        paths: The files.
        compute: Reads a file and returns its SHA-256.
        force: Whether to read all files and ignore the cache.

    Returns:
        Path -> SHA-256.

    Raises:
        OSError: A file is missing; and what `compute` raises.
    """
    entries = _load_entries()
    checksums: dict[Path, str] = {}
    changed: CacheEntries = {}
    for path in paths:
        name, identity = str(path.resolve()), _get_file_identity(path)
        cached_identity, sha = entries.get(name, ("", ""))
        if force or cached_identity != identity:
            sha = compute(path)
            changed[name] = (identity, sha)
        checksums[path] = sha
    if changed:
        existing = {name: entry for name, entry in entries.items() if os.path.exists(name)}
        _save_entries(existing | changed)
    return checksums


def _save_entries(entries: CacheEntries) -> None:
    with suppress(OSError):  # without a cache the next run only takes longer
        atomic_write.replace_file(index_path(), json.dumps(entries))
