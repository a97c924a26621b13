"""How a run comes to an early end: signals of every kind, a terminal or a pipe that goes away."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import time

from typing_extensions import override

#: seconds in which one request to stop may come twice: a service manager tells every process, and
#: `mlufleet` passes on what it was told
DUPLICATE_WINDOW_S = 2
#: what a terminal that has gone, and a pipe that nobody reads, say to whoever writes
CLOSED_STREAM_ERRNOS = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ESHUTDOWN}


def stop_signals() -> list[signal.Signals]:
    """Signals that ask a run to stop; not SIGHUP under `nohup`."""
    found = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


class StopRequests:
    """Requests to stop, each counted once; only a person at a terminal can mean "at once" soon."""

    def __init__(self) -> None:
        self.count, self._last = 0, -float(DUPLICATE_WINDOW_S)

    def is_new_request(self, number: int) -> bool:
        """Whether this signal asks for something that the one before did not."""
        now = time.monotonic()
        same = (
            self.count > 0
            and number != signal.SIGINT
            and (number == signal.SIGHUP or now - self._last < DUPLICATE_WINDOW_S)
        )
        self._last = now
        self.count += not same
        return not same


class _DurableStream(io.FileIO):
    """A standard stream that outlives its reader: what nobody reads is no reason to leave hosts
    in the middle of their work."""

    @override
    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if error.errno not in CLOSED_STREAM_ERRNOS and self.fileno() != 2:
                raise  # once: what is left would only be told again as the process ends
            return memoryview(data).nbytes  # type: ignore[arg-type]


def protect_standard_streams() -> None:
    """Make the standard streams outlive whoever reads them. One that was closed when the process
    began is opened: its number would be the journal's, and warnings would go there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):
            continue  # somebody's own, a test's
        if stream is not None:
            if isinstance(getattr(stream.buffer, "raw", None), _DurableStream):
                continue
            stream.flush()
        made = io.TextIOWrapper(
            io.BufferedWriter(_DurableStream(number, "w", closefd=False)),
            encoding=stream.encoding if stream else "utf-8",
            errors="backslashreplace",
            line_buffering=number == 2 or os.isatty(number),
        )
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)
