"""A run's events, appended before the next step starts; the report is only derived from them."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from fleet import foreign

RUNS = Path("runs")


def identity() -> str:
    """A name for a run that begins now in this process."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


def file_name(host: str) -> str:
    """A host's name as the name of a file of the run."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", host)


class Journal:
    """Made on disk with its first event: wrong input leaves no run behind.

    :param folder: runs/<id>
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started = time.time()
        self._stream: TextIO | None = None

    def append(self, kind: str, host: str = "", **fields: Any) -> None:
        """Write one event; a line is whole on disk when this returns."""
        if self._stream is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._stream = (self.folder / "journal.jsonl").open(
                "a", encoding="utf-8", errors="backslashreplace"
            )
            # held as long as this process lives: whoever reads can tell a run that is still on
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write({"time": self._started, "kind": "run", "host": ""})
        self._write({"time": time.time(), "kind": kind, "host": host, **fields})

    def _write(self, event: dict[str, Any]) -> None:
        assert self._stream is not None
        event["time"] = round(event["time"], 3)
        self._stream.write(json.dumps(event, ensure_ascii=False) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    # bytes: the cut may be inside a letter, and a text has more line ends than "\n"
    with (folder / "journal.jsonl").open("rb") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and {"time", "kind", "host"} <= event.keys():
                # a plan is the operator's own, and is followed to the letter when it is resumed
                yield event if event["kind"] == "rollout" else foreign.data(event)


def read(folder: Path) -> list[dict[str, Any]]:
    """A run's events, all of them plain text; a line cut by a kill is left out."""
    return list(_events(folder))


def has(folder: Path, kind: str) -> bool:
    """Whether something of this kind happened in a run; what comes after it is not read."""
    return any(event["kind"] == kind for event in _events(folder))


def running(folder: Path) -> bool:
    """Whether the process that writes a run's journal is alive."""
    with (folder / "journal.jsonl").open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
