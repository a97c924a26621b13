"""In the place of `mlufleet`: notes what it was called with. python stub.py FOLDER WORDS…

It runs for as long as FOLDER/hold is there, and ends with the status in FOLDER/status.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S


def list_calls(folder: Path) -> list[dict[str, Any]]:
    """What was noted, oldest first."""
    file = folder / "calls"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def main(folder: Path, *words: str) -> int:
    def note(what: str) -> None:
        line = {"what": what, "words": words, "why": os.environ.get("MLUFLEET_WHY", "")}
        with (folder / "calls").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def stop(*_: object) -> None:
        note("stopped")
        if "STUB_IS_DEAF" not in os.environ:
            sys.exit(130)

    signal.signal(signal.SIGTERM, stop)
    note("begun")
    end = time.monotonic() + PATIENCE_S
    while (folder / "hold").exists() and time.monotonic() < end:
        time.sleep(0.02)
    note("ended")
    print("the last words")
    return int((folder / "status").read_text())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
