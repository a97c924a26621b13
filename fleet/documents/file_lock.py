"""Hold a file that is changed by being replaced, so that no change of others is lost."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import _

#: seconds to wait for others
TIMEOUT_S = 10.0
#: seconds between two attempts
INTERVAL_S = 0.02


@contextmanager
def hold_file(path: Path) -> Iterator[None]:
    """Hold a file; one that has to be created for that goes again unless it is replaced.

    Args:
        path: The file.

    Raises:
        InvalidInput: Others have held it all the time.
        OSError: It cannot be opened or created.
    """
    end = time.monotonic() + TIMEOUT_S
    while True:
        descriptor, created = _open(path)
        try:
            if _lock(descriptor, path, end):
                try:
                    yield
                finally:
                    if created and _is_same(descriptor, path):
                        path.unlink()
                return
        finally:
            os.close(descriptor)


def _open(path: Path) -> tuple[int, bool]:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        with suppress(FileExistsError):
            return os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644), True
        with suppress(FileNotFoundError):  # whoever had created it has removed it again
            try:
                return os.open(path, flags | os.O_RDWR), False
            except PermissionError:  # of another user; who may write its folder may replace it
                return os.open(path, flags | os.O_RDONLY), False


def _lock(descriptor: int, path: Path, end: float) -> bool:
    """Lock an open file; return whether it is still the one that the path names.

    Whoever had the lock before may have replaced the file, and the new one has a lock of its own.
    """
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > end:
                raise InvalidInput(
                    _(
                        "{path}: another process has held it for {seconds:.0f} s; remedy: "
                        "find it with `fuser {path}`",
                        path=path,
                        seconds=TIMEOUT_S,
                    )
                ) from None
            time.sleep(INTERVAL_S)
    return _is_same(descriptor, path)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        held, named = os.fstat(descriptor), os.stat(path)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
