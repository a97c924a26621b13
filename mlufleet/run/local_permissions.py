"""What other users of this machine could change that is run here, or read of secrets."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from fleet.language import _


def executed_paths(inventory: str) -> Iterator[Path]:
    """What a run executes or follows with the operator's rights, as far as it is there."""
    beside = Path(inventory)
    yield Path.cwd()
    yield from (Path("config.py"), Path("deploy.py"), beside)
    for folder in dict.fromkeys((Path("group_data"), beside.parent / "group_data")):
        yield folder
        yield from sorted(folder.glob("*.py"))
    yield Path("runs")


def permission_warnings(inventory: str, secrets: Iterable[str] = ()) -> list[str]:
    """Why somebody else's will might be done, with the remedy; as ssh looks at its own files.

    :param secrets: files with passwords
    """
    mine = {0, os.getuid(), int(os.environ.get("SUDO_UID") or 0)}
    found = []
    for path in executed_paths(inventory):
        try:
            seen = path.stat()
        except OSError:
            continue
        if seen.st_mode & stat.S_IWOTH and not seen.st_mode & stat.S_ISVTX:
            found.append(
                _(
                    "{path}: every user of this machine can write to it, and what is in it "
                    "is done with your rights; remedy: chmod o-w {path}",
                    path=path,
                )
            )
        elif seen.st_uid not in mine:
            found.append(
                _(
                    "{path}: belongs to user {user}, and what is in it is done with your "
                    "rights; remedy: a clone of your own",
                    path=path,
                    user=seen.st_uid,
                )
            )
    for secret in dict.fromkeys(secrets):
        path = Path(os.path.expanduser(secret))
        try:
            exposed = path.stat().st_mode & 0o077
        except OSError:
            continue
        if exposed:
            found.append(
                _(
                    "{path}: other users of this machine can read this password; remedy: "
                    "chmod 600 {path}",
                    path=path,
                )
            )
    return found
