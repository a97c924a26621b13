"""The sha256 of the controller's big files, kept so that not every run has to read them again.

A file whose size, times and place on its disk are as they were has the bytes it had.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fleet.documents import atomic_write
from mlufleet.journal import journal

#: path -> what it was before it was read, and its sum
CacheEntries = dict[str, tuple[str, str]]
#: seconds
MAX_AGE_S = 180 * 24 * 3600


def index_path() -> Path:
    base = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    if base.startswith("~"):  # a user without a home: never a folder that others may write to
        base = str(journal.RUNS / ".cache")
    return Path(base) / "mlufleet" / "measured.json"


def prune_folder(folder: Path) -> None:
    """Remove what was kept in a folder of the cache half a year ago: it can be found again."""
    for file in folder.iterdir():
        if time.time() - file.stat().st_mtime > MAX_AGE_S:
            file.unlink(missing_ok=True)


def _load_entries() -> CacheEntries:
    try:
        found = json.loads(index_path().read_text())
        return {str(path): (str(identity), str(sha)) for path, (identity, sha) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _get_file_identity(path: Path) -> str:
    seen = path.stat()
    return f"{seen.st_dev}:{seen.st_ino}:{seen.st_size}:{seen.st_mtime_ns}:{seen.st_ctime_ns}"


def compute_checksums(
    paths: list[Path], compute: Callable[[Path], str], *, force: bool = False
) -> dict[Path, str]:
    """The sha256 of each file.

    :param read: how it is found
    :param anew: read all of them, whatever is known
    """
    known = _load_entries()
    found: dict[Path, str] = {}
    changed: CacheEntries = {}
    for path in paths:
        name, identity = str(path.resolve()), _get_file_identity(path)
        was, sha = known.get(name, ("", ""))
        if force or was != identity:
            sha = compute(path)
            changed[name] = (identity, sha)
        found[path] = sha
    if changed:
        _save_entries(
            {name: said for name, said in known.items() if os.path.exists(name)} | changed
        )
    return found


def _save_entries(known: CacheEntries) -> None:
    with suppress(OSError):  # a run that cannot keep them only costs the next one its time
        atomic_write.replace_file(index_path(), json.dumps(known))
