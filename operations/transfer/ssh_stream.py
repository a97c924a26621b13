"""Writes parts of a file over a host's own SSH connection, and reports the progress."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import gevent
from paramiko import Channel
from pyinfra import logger
from pyinfra.api import Host

from fleet.checksum.chunks import CHUNK_BYTES
from fleet.language import _
from operations.host import connection
from operations.host.context import RunContext, run_context

#: bytes that are read at a time
BLOCK_BYTES = 1 << 20
#: ranges of a file that one command on the host writes: what a swarm leaves may have thousands, a
#: command for each would cost three round trips, and the kernel takes no argument of over 128 KiB
RANGES_PER_WRITER = 2000
#: bytes of an error message that are kept
ERROR_BYTES = 4096
#: bytes of standard error that are read for it
MAX_STDERR_BYTES = 16 << 20
#: seconds after which a host that accepts nothing is given up; a slow one accepts a little
STALL_TIMEOUT_S = 600
#: seconds between two progress reports
PROGRESS_INTERVAL_S = 10


class TransferProgress:
    """How far an upload is, in bytes.

    Attributes:
        total: bytes of all its files
        sent: bytes that the controller sent over SSH
        resumed: bytes that were on the host already
        swarmed: bytes that came by the swarm
    """

    def __init__(self, total: int) -> None:
        """Begin with nothing transferred.

        Args:
            total: bytes of all its files
        """
        self.total, self.sent, self.resumed, self.swarmed = total, 0, 0, 0

    @property
    def transferred(self) -> int:
        """Bytes that were transferred by this run."""
        return self.sent + self.swarmed

    def describe(self, seconds: float, transferred: int) -> str:
        """Return one line about the state, the rate and the time left.

        Args:
            seconds: length of the last interval
            transferred: bytes transferred in it
        """
        rate = transferred / seconds
        done = self.transferred + self.resumed
        if not rate:
            return _(
                "{done:,.0f} of {total:,.0f} MB, 0.0 MB/s, stalled",
                done=done / 1e6,
                total=self.total / 1e6,
            )
        return _(
            "{done:,.0f} of {total:,.0f} MB, {rate:.1f} MB/s, {left:.0f} s left",
            done=done / 1e6,
            total=self.total / 1e6,
            rate=rate / 1e6,
            left=max(self.total - done, 0) / rate,
        )

    @contextmanager
    def report_progress(self, host: Host, title: str) -> Iterator[None]:
        """Log the progress every few seconds while the context is active.

        Args:
            host: the host that receives the files
            title: of the upload
        """

        def report() -> None:
            while True:
                before, began = self.transferred, time.monotonic()
                gevent.sleep(PROGRESS_INTERVAL_S)
                line = self.describe(time.monotonic() - began, self.transferred - before)
                logger.info(f"{host.print_prefix}  … {title}: {line}")

        reporter = gevent.spawn(report)
        try:
            with run_context(host).service(AggregateProgress).track(host.name, self):
                yield
        finally:
            reporter.kill()


class AggregateProgress:
    """The progress of all hosts of a run together; reported while more than one receives files."""

    def __init__(self, context: RunContext) -> None:
        """Begin without transfers.

        Args:
            context: of the run
        """
        self._events = context.events
        # finished transfers count as long as another one runs
        self._transfers: list[TransferProgress] = []
        self._hosts = Counter[str]()
        self._reporter: gevent.Greenlet | None = None

    @contextmanager
    def track(self, host_name: str, transfer: TransferProgress) -> Iterator[None]:
        """Count a transfer while the context is active.

        Args:
            host_name: the host that receives the files
            transfer: its progress
        """
        if transfer not in self._transfers:  # one that left a swarm is tracked again
            self._transfers.append(transfer)
        self._hosts[host_name] += 1
        if self._reporter is None and len(self._hosts) > 1:
            self._reporter = gevent.spawn(self._report)
        try:
            yield
        finally:
            self._hosts[host_name] -= 1
            self._hosts += Counter()  # drops hosts that receive nothing more
            if not self._hosts:
                self._transfers.clear()
                if reporter := self._reporter:
                    self._reporter = None
                    reporter.kill()
                    self._events.emit("", "progress", hosts=0, line="")

    def combine(self) -> TransferProgress:
        """Return the sum of all transfers."""
        total = TransferProgress(sum(each.total for each in self._transfers))
        total.sent = sum(each.transferred for each in self._transfers)
        total.resumed = sum(each.resumed for each in self._transfers)
        return total

    def _report(self) -> None:
        while True:
            before, began = self.combine().transferred, time.monotonic()
            gevent.sleep(PROGRESS_INTERVAL_S)
            now = self.combine()
            line = now.describe(time.monotonic() - began, now.transferred - before)
            logger.info(_("in all, {count} hosts: {line}", count=len(self._hosts), line=line))
            self._events.emit("", "progress", hosts=len(self._hosts), line=line)


def _read_error(channel: Channel) -> bytes:
    """The end of standard error, behind whatever a login shell prints there."""
    error, read = b"", 0
    channel.settimeout(STALL_TIMEOUT_S)
    with suppress(TimeoutError):
        while read < MAX_STDERR_BYTES and (block := channel.recv_stderr(BLOCK_BYTES)):
            error, read = (error + block)[-ERROR_BYTES:], read + len(block)
    return error


def write_ranges(
    host: Host,
    local: Path,
    dest: str,
    ranges: list[tuple[int, int]],
    progress: TransferProgress,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Write parts of a file as the login user; other parts of the destination stay.

    A writer of a lost connection may still run on the host. It writes the same bytes to the same
    places.

    Args:
        host: the host that receives them
        local: the file on the controller
        dest: path of the partial file on the host
        ranges: (begin, end) in bytes, ascending; each begins at a chunk, and all but the last end
            at one
        progress: counts what is sent
        is_cancelled: asked between two blocks; half a packet would damage the connection for its
            other users

    Returns:
        The host's error message; empty on success.

    Raises:
        OSError, EOFError, SSHException: the connection was lost
        GreenletExit: it was cancelled
    """
    for first in range(0, len(ranges), RANGES_PER_WRITER):
        batch = ranges[first : first + RANGES_PER_WRITER]
        channel = connection.open_stream(host, write_command(dest, batch))
        if channel is None:  # not SSH
            progress.sent += local.stat().st_size
            return [] if host.put_file(str(local), dest) else [_("it could not be put there")]
        if problem := _write_batch(host, channel, local, batch, progress, is_cancelled):
            return problem
    return []


def write_command(dest: str, ranges: Sequence[tuple[int, int]]) -> str:
    """Return the shell command that writes standard input to ranges of a file, one after the other.

    Args:
        dest: path of the file; what lies between the ranges stays
        ranges: (begin, end) in bytes, ascending; each begins at a chunk, and all but the last end
            at one
    """
    spans = " ".join(
        f"{begin // CHUNK_BYTES}:{-(-(end - begin) // CHUNK_BYTES)}" for begin, end in ranges
    )
    # dd takes as much of the input as belongs to its range: the next one reads the rest. A writer
    # whose input has ended goes on to its last range, but makes no file again that was removed
    return (
        f"how=notrunc; for span in {spans}; do dd of={shlex.quote(dest)} bs={CHUNK_BYTES} "
        "seek=${span%:*} count=${span#*:} iflag=fullblock conv=$how status=none || exit; "
        "how=notrunc,nocreat; done"
    )


def _write_batch(
    host: Host,
    channel: Channel,
    local: Path,
    ranges: Sequence[tuple[int, int]],
    progress: TransferProgress,
    is_cancelled: Callable[[], bool],
) -> list[str]:
    """Send ranges of a file to the writer of a channel; return the host's error message."""
    with channel:
        if problem := _copy(channel, local, ranges, progress, is_cancelled):
            return [problem]
        if not channel.status_event.wait(STALL_TIMEOUT_S):
            return [
                _("the host did not finish writing within {seconds} s", seconds=STALL_TIMEOUT_S)
            ]
        status = channel.recv_exit_status()
        error = b"" if status == 0 else _read_error(channel)
    if connection.is_lost(host) or status < 0:
        raise ConnectionResetError(_("the connection is gone"))
    if status:
        return [
            *error.decode(errors="replace").splitlines(),
            _("dd ended with status {status}", status=status),
        ]
    return []


def _copy(
    channel: Channel,
    local: Path,
    ranges: Sequence[tuple[int, int]],
    progress: TransferProgress,
    is_cancelled: Callable[[], bool],
) -> str:
    """Send ranges of a file; return what is wrong if the host accepts nothing any more."""
    # one buffer for all of it: fresh memory would be cleared for every block, and of bytes objects
    # paramiko copies the whole rest for every packet
    buffer = memoryview(bytearray(BLOCK_BYTES))
    with local.open("rb", buffering=0) as content:
        try:
            for begin, end in ranges:
                left = end - begin
                content.seek(begin)
                while size := content.readinto(buffer[: min(BLOCK_BYTES, left)]):
                    if is_cancelled():
                        raise gevent.GreenletExit
                    with gevent.Timeout(STALL_TIMEOUT_S, TimeoutError):
                        channel.sendall(buffer[:size])  # type: ignore[arg-type]
                    left -= size
                    progress.sent += size
            channel.shutdown_write()
        except TimeoutError:
            return _("the host accepted nothing for {seconds} s", seconds=STALL_TIMEOUT_S)
        except OSError:  # the host may stop early, and its error message says why
            pass
    return ""
