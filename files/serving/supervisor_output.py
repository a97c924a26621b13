"""What the supervisor tells: the container's log, and a line of state for each instance.

Python 3.6 and its standard library, as all of the supervisor.
"""

import collections
import json
import os
import threading
from typing import Any, Callable, Deque, Optional

from client_http import CARD_FAULT

#: Lines of a server's output that are kept for the reason of its end, and characters of each.
LINES_KEPT, LINE_LENGTH = 20, 500
REASON_LENGTH = 300
#: Bytes of a line of output that are waited for before it is passed on without its end.
LINE_LIMIT = 8192

_output_lock = threading.Lock()


def write_output(line: bytes) -> None:
    """Write a line to the container's log; if that is closed, there is none."""
    with _output_lock:
        try:
            while line:
                line = line[os.write(1, line) :]
        except OSError:
            pass


class Output(threading.Thread):
    """Passes the output of a server on and remembers its last lines."""

    def __init__(self, pipe: Any, prefix: bytes, on_fault: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._prefix = prefix
        self._on_fault = on_fault
        self._lines: Deque[str] = collections.deque(maxlen=LINES_KEPT)
        #: the last line that told of a fault of a card; "" once the model has answered since
        self.card_fault = ""

    def run(self) -> None:
        """Read until all processes that write have ended."""
        rest = b""
        while True:
            content = os.read(self._pipe.fileno(), 65536)
            if not content:
                break
            *lines, rest = (rest + content).split(b"\n")
            if len(rest) > LINE_LIMIT:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._take(line)
        if rest:
            self._take(rest)
        self._pipe.close()

    def _take(self, line: bytes) -> None:
        write_output(self._prefix + line + b"\n")
        text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2].strip()
        if not text:
            return
        self._lines.append(text[:LINE_LENGTH])
        if CARD_FAULT.search(text):
            told, self.card_fault = self.card_fault, text[:LINE_LENGTH]
            if not told:
                self._on_fault()

    def last_lines(self) -> str:
        """Return the end of the output, as much as a reason has room for."""
        return " | ".join(self._lines)[-REASON_LENGTH // 2 :]


def tell(text: str) -> None:
    """Write a line of the supervisor's own to the container's log."""
    write_output(f"mlufleet-serve: {text}\n".encode("utf-8", "replace"))


class State:
    """What is told of an instance: one line in a file."""

    def __init__(self, folder: str, name: str, digest: str) -> None:
        self._path, self._hidden = os.path.join(folder, name), os.path.join(folder, "." + name)
        self.digest = digest
        self.state, self.pid, self.started, self.ready_s = "loading", 0, 0, -1.0
        self.restarts, self.answered, self.code, self.reason = 0, 0, "", ""

    def update(self, **fields: Any) -> None:
        """Change fields and write the line."""
        for field, value in fields.items():
            setattr(self, field, value)
        reason = " ".join(self.reason.split())[:REASON_LENGTH]
        ready = "-1" if self.ready_s < 0 else f"{self.ready_s:.2f}"
        values = (self.digest, self.state, self.pid, self.started, ready, self.restarts)
        words = [str(value) for value in (*values, self.answered, self.code or "-", reason or "-")]
        write_file(self._path, "\t".join(words) + "\n")

    def write_cold(self, first_s: Optional[float]) -> None:
        """Write what the client's proof cannot measure any more: the first answer's first words.

        The file is `.NAME.json`; a shell's `*` does not find it.
        """
        measured = {"digest": self.digest, "cold_first_token_s": first_s, "pid": self.pid}
        write_file(self._hidden + ".json", json.dumps(measured) + "\n")


def write_file(path: str, text: str) -> None:
    """Replace a file in one step; what cannot be written is told in the log."""
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")
    try:
        with open(temporary, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        tell(f"cannot write the state: {error}")
