"""The journal of a run: every event is on disk before the next step starts.

The report is derived from the journal and from nothing else, so a run that was killed has one too.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import _, current_language
from mlufleet.journal import events
from mlufleet.journal.events import Event, RunStarted

#: folder of all runs, relative to the working directory
RUNS = Path("runs")
#: name of a journal in the folder of its run
JOURNAL_FILE = "journal.jsonl"
#: a run is refused if its file system has less free space
MIN_FREE_BYTES = 1 << 20
#: bound of the stem of a file name; file systems allow 255 bytes with its ending
MAX_STEM_BYTES = 200


def new_run_id() -> str:
    """Return a unique name for a run that begins now.

    Hosts know the holder of their lock by this name. It is not made of a process ID, which is
    small, and the same in every container.
    """
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.randbelow(10**9):09}"


def check_writable() -> None:
    """Check that a run could keep its journal.

    Raises:
        InvalidInput: The folder cannot be written to, or its file system is full.
    """
    folder = RUNS if RUNS.exists() else RUNS.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidInput(
            _(
                "{folder}: not a writable folder; a run needs it for its journal and report",
                folder=RUNS.absolute(),
            )
        )
    free = os.statvfs(folder)
    if free.f_blocks and free.f_bavail * free.f_frsize < MIN_FREE_BYTES:
        raise InvalidInput(
            _(
                "{folder}: less than {size} MiB free; a run needs this for its journal and report",
                folder=RUNS.absolute(),
                size=MIN_FREE_BYTES >> 20,
            )
        )


def make_run_folder(path: Path) -> Path:
    """Create the folder of a run, which only its user can read, whatever the umask is.

    Args:
        path: The folder; it may exist.

    Returns:
        The same path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def open_for_append(path: Path) -> int:
    """Open a file of a run; no other user can read it, and a symbolic link is not followed.

    Args:
        path: The file; created if it does not exist.

    Returns:
        A file descriptor.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def safe_file_name(host: str) -> str:
    """Return a host's name as the stem of a file name.

    Letters of all scripts stay, as hosts with Chinese names would have the same file otherwise.

    Args:
        host: Any name of a host.
    """
    stem = re.sub(r"[^\w.-]", "_", host)
    try:
        if len(os.fsencode(stem)) <= MAX_STEM_BYTES:
            return stem
    except UnicodeEncodeError:  # the locale of this process does not have these letters
        pass
    digest = hashlib.sha256(host.encode()).hexdigest()[:12]
    return f"{re.sub('[^A-Za-z0-9._-]', '_', host)[:100]}-{digest}"


class Journal:
    """Writes the events of one run.

    The file is created with the first event, so a run that is refused leaves nothing behind.

    Args:
        folder: Folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started = time.time()
        self._file: int | None = None
        self._line_incomplete = False

    def append(self, event: Event) -> None:
        """Write one event; its whole line is on disk when this returns.

        Args:
            event: The event; its time is set to now.

        Raises:
            OSError: The line could not be written. A later event begins a new line.
        """
        if self._file is None:
            self._file = open_for_append(make_run_folder(self.folder) / JOURNAL_FILE)
            # held for the life of this process: readers can tell whether the run is still going
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(RunStarted(time=round(self._started, 3), language=current_language()))
        self._write(replace(event, time=round(time.time(), 3)))

    def _write(self, event: Event) -> None:
        assert self._file is not None
        line = json.dumps(event.to_line(), ensure_ascii=False, default=vars) + "\n"
        remaining = ("\n" * self._line_incomplete + line).encode("utf-8", "backslashreplace")
        self._line_incomplete = True
        while remaining:
            remaining = remaining[os.write(self._file, remaining) :]
        os.fsync(self._file)
        self._line_incomplete = False


def iterate_events(folder: Path) -> Iterator[Event]:
    """Read the events of a run one by one; lines that are not events are skipped.

    Args:
        folder: Folder of the run.

    Raises:
        OSError: The journal cannot be read.
    """
    # in binary mode: a crash may cut a line inside a character, and text has more line ends
    with (folder / JOURNAL_FILE).open("rb") as lines:
        for line in lines:
            try:
                event = events.parse(json.loads(line))
            except (ValueError, RecursionError):
                continue
            if event is not None:
                yield event


def has_event(folder: Path, event_type: type[Event]) -> bool:
    """Return whether an event of a type happened in a run; reading stops at the first one.

    Args:
        folder: Folder of the run.
        event_type: Type of the event.
    """
    return any(isinstance(event, event_type) for event in iterate_events(folder))


def is_running(folder: Path) -> bool:
    """Return whether the process that writes a run's journal is alive.

    Args:
        folder: Folder of the run.
    """
    with (folder / JOURNAL_FILE).open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
