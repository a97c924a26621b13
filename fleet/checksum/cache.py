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
Sums = dict[str, tuple[str, str]]
#: seconds
KEPT = 180 * 24 * 3600


def cache() -> Path:
    base = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    if base.startswith("~"):  # a user without a home: never a folder that others may write to
        base = str(journal.RUNS / ".cache")
    return Path(base) / "mlufleet" / "measured.json"


def tidy(folder: Path) -> None:
    """Remove what was kept in a folder of the cache half a year ago: it can be found again."""
    for file in folder.iterdir():
        if time.time() - file.stat().st_mtime > KEPT:
            file.unlink(missing_ok=True)


def _known() -> Sums:
    try:
        found = json.loads(cache().read_text())
        return {str(path): (str(identity), str(sha)) for path, (identity, sha) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _identity(path: Path) -> str:
    seen = path.stat()
    return f"{seen.st_dev}:{seen.st_ino}:{seen.st_size}:{seen.st_mtime_ns}:{seen.st_ctime_ns}"


def sums(paths: list[Path], read: Callable[[Path], str], *, anew: bool = False) -> dict[Path, str]:
    """The sha256 of each file.

    :param read: how it is found
    :param anew: read all of them, whatever is known
    """
    known = _known()
    found: dict[Path, str] = {}
    changed: Sums = {}
    for path in paths:
        name, identity = str(path.resolve()), _identity(path)
        was, sha = known.get(name, ("", ""))
        if anew or was != identity:
            sha = read(path)
            changed[name] = (identity, sha)
        found[path] = sha
    if changed:
        _keep({name: said for name, said in known.items() if os.path.exists(name)} | changed)
    return found


def _keep(known: Sums) -> None:
    with suppress(OSError):  # a run that cannot keep them only costs the next one its time
        atomic_write.write(cache(), json.dumps(known))
