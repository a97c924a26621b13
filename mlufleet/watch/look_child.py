"""A look process as its parent has it: what it is asked, what it says, and its end.

Threads that read it only put events into a queue.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from fleet.text import sanitize
from mlufleet.watch import child_signals
from mlufleet.watch.look_messages import Message, Round, decode_message, encode_message

#: seconds that a look process has to end by itself
END_LIMIT_S = 5
#: lines of its standard error that are kept
ERROR_LINES = 20


@dataclass(frozen=True)
class Said:
    """A look process has said something; or, with None, has ended."""

    process: LookProcess
    message: Message | None


class LookProcess:
    """A look process, and the threads that read it.

    Args:
        command: Starts it.
        put: Takes what it says; called by other threads.

    Attributes:
        errors: The last lines of its standard error.
        limit_s: Seconds after which it kills a round; 0 until it is ready.
        started: When it was started, by the monotonic clock.
    """

    def __init__(self, command: Sequence[str], put: Callable[[Said], None]) -> None:
        self._process = child_signals.start_blocked(command)
        self._put = put
        self.errors: deque[str] = deque(maxlen=ERROR_LINES)
        self.limit_s, self.started = 0.0, time.monotonic()
        self._readers = [
            threading.Thread(target=read, daemon=True) for read in (self._read, self._read_errors)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def is_ready(self) -> bool:
        """Whether rounds may be asked for."""
        return self.limit_s > 0

    def ask(self, wanted: Round) -> None:
        """Ask for a round.

        Args:
            wanted: The round.
        """
        assert self._process.stdin
        with suppress(OSError):  # its end is told by its output
            self._process.stdin.write(encode_message(wanted))
            self._process.stdin.flush()

    def kill(self) -> None:
        """Kill it, and its rounds with it; its end is told as any other."""
        self._process.kill()

    def close(self, patience_s: float = END_LIMIT_S) -> int:
        """End it, and its rounds with it.

        Args:
            patience_s: Seconds that it has to end by itself.

        Returns:
            Its exit status, as of :class:`subprocess.Popen`.
        """
        assert self._process.stdin
        with suppress(OSError):
            self._process.stdin.close()
        try:
            status = self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        for reader in self._readers:
            reader.join(1)
        return status

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                try:
                    self._put(Said(self, decode_message(line)))
                except ValueError as error:
                    self.errors.append(str(error))
                    self._process.kill()
                    break
        self._put(Said(self, None))

    def _read_errors(self) -> None:
        assert self._process.stderr
        with self._process.stderr as lines:
            for line in lines:
                text = sanitize.escape_line(line.decode(errors="replace").rstrip("\n"))
                self.errors.append(text)
                with suppress(OSError, ValueError):
                    print(text, file=sys.stderr, flush=True)
