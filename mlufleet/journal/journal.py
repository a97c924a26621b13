"""A run's events, appended before the next step starts; the report is only derived from them."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fleet.errors import InvalidInput
from fleet.text import sanitize
from mlufleet.journal import event_fields

RUNS = Path("runs")
#: bytes that are to be free where it is, when a run begins
MIN_FREE_BYTES = 1 << 20


def new_run_id() -> str:
    """A name for a run that begins now: also another machine's, in the same second, is another.

    Hosts know their holder by it; a process id is small, and equal in every container.
    """
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.randbelow(10**9):09}"


def check_writable() -> None:
    """:raises InvalidInput: a run could not keep its journal"""
    place = RUNS if RUNS.exists() else RUNS.absolute().parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise InvalidInput(
            f"{RUNS.absolute()}: no folder that can be written to, which a run "
            "needs for its journal and report"
        )
    free = os.statvfs(place)
    if free.f_blocks and free.f_bavail * free.f_frsize < MIN_FREE_BYTES:
        raise InvalidInput(
            f"{RUNS.absolute()}: less than {MIN_FREE_BYTES >> 20} MiB are free, which a run "
            "needs for its journal and report"
        )


def make_run_folder(path: Path) -> Path:
    """A run's folder, made: it is nobody else's, whatever the umask is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def open_for_append(path: Path) -> int:
    """A file of a run, open to append: no other user reads it, and no link is followed."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def safe_file_name(host: str) -> str:
    """A host's name as the name of a file of the run."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", host)


class Journal:
    """Made on disk with its first event: wrong input leaves no run behind.

    :param folder: runs/<id>
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started = time.time()
        self._file: int | None = None
        self._line_incomplete = False

    def append(self, kind: str, host: str = "", **fields: Any) -> None:
        """Write one event; a line is whole on disk when this returns.

        :raises OSError: it is not; what is written later is whole again
        """
        if self._file is None:
            self._file = open_for_append(make_run_folder(self.folder) / "journal.jsonl")
            # held as long as this process lives: whoever reads can tell a run that is still on
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write({"time": self._started, "kind": "run", "host": ""})
        self._write({"time": time.time(), "kind": kind, "host": host, **fields})

    def _write(self, event: dict[str, Any]) -> None:
        assert self._file is not None
        event["time"] = round(event["time"], 3)
        line = json.dumps(event, ensure_ascii=False) + "\n"
        left = ("\n" * self._line_incomplete + line).encode("utf-8", "backslashreplace")
        self._line_incomplete = True  # until all of it is there
        while left:
            left = left[os.write(self._file, left) :]
        os.fsync(self._file)
        self._line_incomplete = False


def _iterate_events(folder: Path) -> Iterator[dict[str, Any]]:
    # bytes: the cut may be inside a letter, and a text has more line ends than "\n"
    with (folder / "journal.jsonl").open("rb") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if event_fields.is_event(event):
                # a plan is the operator's own, and is followed to the letter when it is resumed
                yield event if event["kind"] == "rollout" else sanitize.escape_data(event)


def read_events(folder: Path) -> list[dict[str, Any]]:
    """A run's events, all of them plain text; a line cut by a kill is left out."""
    return list(_iterate_events(folder))


def has_event(folder: Path, kind: str) -> bool:
    """Whether something of this kind happened in a run; what comes after it is not read."""
    return any(event["kind"] == kind for event in _iterate_events(folder))


def is_running(folder: Path) -> bool:
    """Whether the process that writes a run's journal is alive."""
    with (folder / "journal.jsonl").open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
