"""The log of each host of a run: what pyinfra says of it."""

from __future__ import annotations

import logging
import re
import sys
import time
from contextlib import suppress
from pathlib import Path

from typing_extensions import override

from fleet.text import sanitize
from mlufleet.journal import journal


class HostLog(logging.Handler):
    """Keeps what pyinfra says of each host, in a file for each if there is a folder for them."""

    def __init__(self, folder: Path | None, login_durations_s: dict[str, float]) -> None:
        """Prepare the handler.

        Args:
            folder: Folder of the run; None if nothing is to be written.
            login_durations_s: Is filled: host name -> seconds that its login took.
        """
        super().__init__(logging.INFO)
        self.folder, self.login_durations_s = folder, login_durations_s
        self.lines: dict[str, list[str]] = {}
        #: host -> the exception that pyinfra was handling when it last spoke of it
        self.errors: dict[str, BaseException | None] = {}
        self._started = time.monotonic()
        self._connect_started: dict[str, float] = {}

    def note_connect_start(self, host: str) -> None:
        """A connection begins now; without this word, all of them begin with the run."""
        self._connect_started[host] = time.monotonic()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        line = sanitize.escape_line(sanitize.ANSI_STYLES.sub("", record.getMessage()).strip())
        if match := re.match(r"\[([^\]]+)\]\s*(.*)", line):
            name, text = match.groups()
            self.lines.setdefault(name, []).append(text)
            self.errors[name] = sys.exc_info()[1]
            if text == "Connected":
                began = self._connect_started.get(name, self._started)
                self.login_durations_s.setdefault(name, time.monotonic() - began)
            if self.folder is not None:
                _append_line(self.folder, name, text)


def _append_line(folder: Path, name: str, text: str) -> None:
    """Append what was said of a host to its file in the folder of a run."""
    # a disk that is full stops the run where the journal finds it, not in a line of a log
    with suppress(OSError):
        path = journal.make_run_folder(folder) / f"{journal.safe_file_name(name)}.log"
        with open(
            journal.open_for_append(path), "a", encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(f"{time.strftime('%H:%M:%S')} {text}\n")
