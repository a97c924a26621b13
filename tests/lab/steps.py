"""Progress that a person can read, keys that say when to build again, and one builder at a time."""

import fcntl
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import paths


class LabError(Exception):
    """The lab cannot go on; the message says what is missing and what to do about it."""


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print one line for a piece of work: what it is, and how long it took.

    Args:
        title: what is being done, as in "build the host image".
    """
    print(f"lab: {title} ...", end=" ", file=sys.stderr, flush=True)
    begin = time.monotonic()
    try:
        yield
    except BaseException:
        print(f"failed after {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        raise
    print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


def digest(*inputs: Path | str) -> str:
    """The key of something built: equal inputs give equal keys.

    Args:
        inputs: files (their bytes count), directories (names, modes and bytes below them), or
            strings (settings).

    Returns:
        64 hexadecimal digits.

    Raises:
        OSError: a path does not exist.
    """
    total = hashlib.sha256()
    for given in inputs:
        if isinstance(given, str):
            total.update(b"s\0%d\0%s" % (len(given.encode()), given.encode()))
            continue
        files = sorted(given.rglob("*")) if given.is_dir() else [given]
        for file in files:
            if file.is_dir() or "__pycache__" in file.parts:
                continue
            name = file.relative_to(given).as_posix()
            data = str(file.readlink()).encode() if file.is_symlink() else file.read_bytes()
            executable = bool(file.lstat().st_mode & 0o100)
            total.update(b"f\0%s\0%d\0%d\0" % (name.encode(), executable, len(data)) + data)
    return total.hexdigest()


@contextmanager
def lock(name: str, *, everywhere: bool = False) -> Iterator[None]:
    """Hold a lock: two builders of the same thing would spoil each other's work.

    Args:
        name: of what is built; it becomes the name of the lock file.
        everywhere: it is the machine's, which may have other labs, not this lab's alone.
    """
    folder = Path(tempfile.gettempdir()) / "mlufleet-lab" if everywhere else paths.BUILD
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
