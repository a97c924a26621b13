"""A run of a rung: a process of its own, which goes on if the watch is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from types import MappingProxyType

from fleet.environment import WHY_VARIABLE

#: seconds after which a run is asked to stop; its steps have limits of their own
RUN_LIMIT_S = 6 * 3600.0
#: seconds after which it is asked once more, which stops it at once, and then killed
STOP_LIMIT_S, KILL_LIMIT_S = 600.0, 660.0
#: bytes of the end of its output that are read
TAIL_BYTES = 4096


class RungProcess:
    """A process that brings a host to its release.

    Args:
        command: Its command.
        why: Why it is started, which the lock of the host says.
        variables: Further variables of its environment.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self, command: Sequence[str], why: str, variables: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._end = time.monotonic() + RUN_LIMIT_S
        self._is_asked = self._is_told = False
        with ExitStack() as stack:
            self._output = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                command,
                env={**os.environ, WHY_VARIABLE: why, **variables},
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            stack.pop_all()  # it stays open

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        late_s = time.monotonic() - self._end
        if late_s > KILL_LIMIT_S:  # with all that it has started; its host's lock runs out
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        elif late_s > STOP_LIMIT_S and not self._is_told:
            self._is_told = True
            self._process.send_signal(signal.SIGTERM)
        elif late_s > 0:
            self.ask_to_stop()
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Let the step that runs end, and no new one begin."""
        if not self._is_asked:
            self._is_asked = True
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def read_last_line(self) -> str:
        """Return the last line that it has printed."""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - TAIL_BYTES))
        lines = self._output.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """Give up its output; the process itself is left alone."""
        self._output.close()
