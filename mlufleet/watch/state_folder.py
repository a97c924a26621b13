"""The folder of the watch: for its user alone, and for one watch at a time."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import _
from mlufleet.run.operator import operator_name

#: file that is locked for as long as a watch uses the folder
LOCK_NAME = "watch.lock"


def prepare(folder: Path) -> None:
    """Create the folder, or check that only its user can get at what is in it.

    Args:
        folder: The folder.

    Raises:
        InvalidInput: It belongs to somebody else, others can enter it, or it cannot be created.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check(folder)
    except (FileExistsError, NotADirectoryError):
        raise InvalidInput(
            _("{folder}: not a folder; remedy: another one (--state)", folder=folder)
        ) from None
    except OSError as error:
        raise InvalidInput(
            _(
                "{folder}: {error}; remedy: another folder (--state)",
                folder=folder,
                error=error.strerror,
            )
        ) from None


def check(folder: Path) -> None:
    """Check that the folder is its user's, and that nobody else can enter it.

    Args:
        folder: The folder; it is there.

    Raises:
        InvalidInput: It is not.
        OSError: It cannot be looked at.
    """
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise InvalidInput(
            _(
                "{folder}: belongs to user {owner}, and this is user {user}; "
                "remedy: run as that user, or take another folder (--state)",
                folder=folder,
                owner=found.st_uid,
                user=os.geteuid(),
            )
        )
    if rights := stat.S_IMODE(found.st_mode) & 0o077:
        raise InvalidInput(
            _(
                "{folder}: others have rights on it (mode {mode:o}, of which "
                "{rights:o}); remedy: chmod 700 {folder}",
                folder=folder,
                mode=stat.S_IMODE(found.st_mode),
                rights=rights,
            )
        )


def hold(folder: Path) -> int:
    """Lock the folder for one watch.

    Args:
        folder: The folder.

    Returns:
        A file descriptor; the lock is held until it is closed.

    Raises:
        InvalidInput: Another watch holds it.
    """
    path = folder / LOCK_NAME
    try:
        holder = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InvalidInput(
            _("{path}: {error}; remedy: check its rights", path=path, error=error.strerror)
        ) from None
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(holder, 200).decode(errors="replace").strip()
        os.close(holder)
        raise InvalidInput(
            _(
                "{folder}: another watch is at work with this folder: {owner}; remedy: "
                "stop it, or give this one a folder of its own (--state)",
                folder=folder,
                owner=_describe_owner(owner),
            )
        ) from None
    os.ftruncate(holder, 0)
    os.write(holder, f"process {os.getpid()} of {operator_name()}\n".encode())
    return holder


def _describe_owner(text: str) -> str:
    """Return who holds the folder, from what is in the file of the lock."""
    if match := re.fullmatch(r"process (\d+) of (.+)", text):
        return _("process {pid} of {operator}", pid=match[1], operator=match[2])
    return text or _("one that has just begun")
