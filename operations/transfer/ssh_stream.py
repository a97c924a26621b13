"""Bytes of a file over a host's own connection, with a sign of life now and then."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

import gevent
from paramiko import Channel
from pyinfra import logger
from pyinfra.api import Host

from fleet.checksum.chunks import CHUNK_BYTES
from operations.host import connection, events

#: bytes that are read here at once, and written there
BLOCK_BYTES = 1 << 20
#: bytes of what a host says of a failure, of all that is read for it
ERROR_BYTES, MAX_STDERR_BYTES = 4096, 16 << 20
#: seconds in which a host has to take something: one that is only slow takes a little
STALL_TIMEOUT_S = 600
#: seconds between two signs of life
PROGRESS_INTERVAL_S = 10
#: greenlets that are to end: between two blocks, as half a packet would spoil the connection for
#: whoever else uses it
stopping: WeakSet[gevent.Greenlet] = WeakSet()


class TransferProgress:
    """What an upload has brought, and has to bring, in bytes: sent from here, found on the host
    already, and given by the swarm."""

    def __init__(self, total: int) -> None:
        self.total, self.sent, self.resumed, self.swarmed = total, 0, 0, 0

    @property
    def transferred(self) -> int:
        return self.sent + self.swarmed

    def describe(self, seconds: float, transferred: int) -> str:
        """For the operator. :param moved: in the last so many seconds"""
        rate = transferred / seconds
        done = self.transferred + self.resumed
        left = f"{max(self.total - done, 0) / rate:.0f} s left" if rate else "nothing moves"
        return f"{done / 1e6:,.0f} of {self.total / 1e6:,.0f} MB, {rate / 1e6:.1f} MB/s, {left}"

    @contextmanager
    def report_progress(self, host: Host, title: str) -> Iterator[None]:
        def tell() -> None:
            while True:
                before, began = self.transferred, time.monotonic()
                gevent.sleep(PROGRESS_INTERVAL_S)
                line = self.describe(time.monotonic() - began, self.transferred - before)
                logger.info(f"{host.print_prefix}  … {title}: {line}")

        telling = gevent.spawn(tell)
        try:
            with together.track(host.name, self):
                yield
        finally:
            telling.kill()


class AggregateProgress:
    """What all hosts get at a time, told where that is more than one."""

    def __init__(self) -> None:
        #: since there was none: what has come already counts as long as something comes
        self.transfers: list[TransferProgress] = []
        self.hosts = Counter[str]()
        self.reporter: gevent.Greenlet | None = None

    @contextmanager
    def track(self, host: str, transfer: TransferProgress) -> Iterator[None]:
        if transfer not in self.transfers:  # one that a swarm left is told of again
            self.transfers.append(transfer)
        self.hosts[host] += 1
        if self.reporter is None and len(self.hosts) > 1:
            self.reporter = gevent.spawn(self._report)
        try:
            yield
        finally:
            self.hosts[host] -= 1
            self.hosts += Counter()  # without those that get nothing more
            if not self.hosts:
                self.transfers.clear()
                if telling := self.reporter:
                    self.reporter = None
                    telling.kill()
                    events.emit("", "progress", hosts=0, line="")

    def combine(self) -> TransferProgress:
        found = TransferProgress(sum(meter.total for meter in self.transfers))
        found.sent = sum(meter.transferred for meter in self.transfers)
        found.resumed = sum(meter.resumed for meter in self.transfers)
        return found

    def _report(self) -> None:
        while True:
            before, began = self.combine().transferred, time.monotonic()
            gevent.sleep(PROGRESS_INTERVAL_S)
            now = self.combine()
            line = now.describe(time.monotonic() - began, now.transferred - before)
            logger.info(f"in all, {len(self.hosts)} hosts: {line}")
            events.emit("", "progress", hosts=len(self.hosts), line=line)


together = AggregateProgress()


def _read_error(channel: Channel) -> bytes:
    """The end of what was said on standard error, after whatever a login shell prints there."""
    said, read = b"", 0
    channel.settimeout(STALL_TIMEOUT_S)
    with suppress(TimeoutError):
        while read < MAX_STDERR_BYTES and (block := channel.recv_stderr(BLOCK_BYTES)):
            said, read = (said + block)[-ERROR_BYTES:], read + len(block)
    return said


def write_ranges(
    host: Host, local: Path, dest: str, ranges: list[tuple[int, int]], progress: TransferProgress
) -> list[str]:
    """Write these parts of a file, as the login user; what else is in it stays.

    A writer of a connection that is lost may still run there: it writes the same bytes to the
    same places.

    :param gaps: (begin, end) in bytes; each begins with a piece
    :returns: what the host says of a failure; nothing when there is none
    :raises OSError, EOFError, SSHException: the connection was lost
    """
    for begin, end in ranges:
        seek = begin // CHUNK_BYTES * (CHUNK_BYTES // BLOCK_BYTES)
        command = (
            f"dd of={shlex.quote(dest)} bs={BLOCK_BYTES} seek={seek} iflag=fullblock conv=notrunc"
        )
        channel = connection.open_stream(host, f"{command} status=none")
        if channel is None:  # not SSH
            progress.sent += local.stat().st_size
            return [] if host.put_file(str(local), dest) else ["it could not be put there"]
        # one buffer for all of it: memory that is new for every block has to be cleared first, and
        # of bytes, paramiko copies all that is left for every packet
        buffer = memoryview(bytearray(BLOCK_BYTES))
        with channel, local.open("rb", buffering=0) as content:
            content.seek(begin)
            try:
                left = end - begin
                while size := content.readinto(buffer[: min(BLOCK_BYTES, left)]):
                    if gevent.getcurrent() in stopping:
                        raise gevent.GreenletExit
                    with gevent.Timeout(STALL_TIMEOUT_S, TimeoutError):
                        channel.sendall(buffer[:size])  # type: ignore[arg-type]
                    left -= size
                    progress.sent += size
                channel.shutdown_write()
            except TimeoutError:
                return [f"the host took nothing for {STALL_TIMEOUT_S} s"]
            except OSError:  # the other end may stop before the end, and says why
                pass
            if not channel.status_event.wait(STALL_TIMEOUT_S):
                return [f"the host did not end it within {STALL_TIMEOUT_S} s"]
            status = channel.recv_exit_status()
            said = b"" if status == 0 else _read_error(channel)
        if connection.is_lost(host) or status < 0:
            raise ConnectionResetError("the connection is gone")
        if status:
            return [*said.decode(errors="replace").splitlines(), f"dd ended with status {status}"]
    return []
