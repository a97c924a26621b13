"""A run's events, appended before the next step starts; the report is only derived from them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

RUNS = Path("runs")


class Journal:
    """:param folder: runs/<id>"""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._stream = (folder / "journal.jsonl").open("a", encoding="utf-8")

    def append(self, kind: str, host: str = "", **fields: Any) -> None:
        """Write one event; a line is whole on disk when this returns."""
        event = {"time": round(time.time(), 3), "kind": kind, "host": host, **fields}
        self._stream.write(json.dumps(event, ensure_ascii=False) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def read(folder: Path) -> list[dict[str, Any]]:
    """A run's events; a line cut by a kill is left out."""
    events = []
    for line in (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events
