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

from fleet.checksum.chunks import SIZE
from operations.host import connection, events

#: bytes that are read here at once, and written there
BLOCK = 1 << 20
#: bytes of what a host says of a failure, of all that is read for it
TOLD, MOST = 4096, 16 << 20
#: seconds in which a host has to take something: one that is only slow takes a little
STUCK = 600
#: seconds between two signs of life
PATIENCE = 10
#: greenlets that are to end: between two blocks, as half a packet would spoil the connection for
#: whoever else uses it
stopping: WeakSet[gevent.Greenlet] = WeakSet()


class Meter:
    """What an upload has brought, and has to bring, in bytes: sent from here, found on the host
    already, and given by the swarm."""

    def __init__(self, total: int) -> None:
        self.total, self.sent, self.resumed, self.swarmed = total, 0, 0, 0

    @property
    def moved(self) -> int:
        return self.sent + self.swarmed

    def line(self, seconds: float, moved: int) -> str:
        """For the operator. :param moved: in the last so many seconds"""
        rate = moved / seconds
        done = self.moved + self.resumed
        left = f"{max(self.total - done, 0) / rate:.0f} s left" if rate else "nothing moves"
        return f"{done / 1e6:,.0f} of {self.total / 1e6:,.0f} MB, {rate / 1e6:.1f} MB/s, {left}"

    @contextmanager
    def told(self, host: Host, title: str) -> Iterator[None]:
        def tell() -> None:
            while True:
                before, began = self.moved, time.monotonic()
                gevent.sleep(PATIENCE)
                line = self.line(time.monotonic() - began, self.moved - before)
                logger.info(f"{host.print_prefix}  … {title}: {line}")

        telling = gevent.spawn(tell)
        try:
            with together.counted(host.name, self):
                yield
        finally:
            telling.kill()


class Together:
    """What all hosts get at a time, told where that is more than one."""

    def __init__(self) -> None:
        #: since there was none: what has come already counts as long as something comes
        self.meters: list[Meter] = []
        self.hosts = Counter[str]()
        self.telling: gevent.Greenlet | None = None

    @contextmanager
    def counted(self, host: str, meter: Meter) -> Iterator[None]:
        if meter not in self.meters:  # one that a swarm left is told of again
            self.meters.append(meter)
        self.hosts[host] += 1
        if self.telling is None and len(self.hosts) > 1:
            self.telling = gevent.spawn(self._tell)
        try:
            yield
        finally:
            self.hosts[host] -= 1
            self.hosts += Counter()  # without those that get nothing more
            if not self.hosts:
                self.meters.clear()
                if telling := self.telling:
                    self.telling = None
                    telling.kill()
                    events.emit("", "progress", hosts=0, line="")

    def sum(self) -> Meter:
        found = Meter(sum(meter.total for meter in self.meters))
        found.sent = sum(meter.moved for meter in self.meters)
        found.resumed = sum(meter.resumed for meter in self.meters)
        return found

    def _tell(self) -> None:
        while True:
            before, began = self.sum().moved, time.monotonic()
            gevent.sleep(PATIENCE)
            now = self.sum()
            line = now.line(time.monotonic() - began, now.moved - before)
            logger.info(f"in all, {len(self.hosts)} hosts: {line}")
            events.emit("", "progress", hosts=len(self.hosts), line=line)


together = Together()


def _last(channel: Channel) -> bytes:
    """The end of what was said on standard error, after whatever a login shell prints there."""
    said, read = b"", 0
    channel.settimeout(STUCK)
    with suppress(TimeoutError):
        while read < MOST and (block := channel.recv_stderr(BLOCK)):
            said, read = (said + block)[-TOLD:], read + len(block)
    return said


def send(
    host: Host, local: Path, dest: str, gaps: list[tuple[int, int]], meter: Meter
) -> list[str]:
    """Write these parts of a file, as the login user; what else is in it stays.

    A writer of a connection that is lost may still run there: it writes the same bytes to the
    same places.

    :param gaps: (begin, end) in bytes; each begins with a piece
    :returns: what the host says of a failure; nothing when there is none
    :raises OSError, EOFError, SSHException: the connection was lost
    """
    for begin, end in gaps:
        seek = begin // SIZE * (SIZE // BLOCK)
        command = f"dd of={shlex.quote(dest)} bs={BLOCK} seek={seek} iflag=fullblock conv=notrunc"
        channel = connection.stream(host, f"{command} status=none")
        if channel is None:  # not SSH
            meter.sent += local.stat().st_size
            return [] if host.put_file(str(local), dest) else ["it could not be put there"]
        # one buffer for all of it: memory that is new for every block has to be cleared first, and
        # of bytes, paramiko copies all that is left for every packet
        buffer = memoryview(bytearray(BLOCK))
        with channel, local.open("rb", buffering=0) as content:
            content.seek(begin)
            try:
                left = end - begin
                while size := content.readinto(buffer[: min(BLOCK, left)]):
                    if gevent.getcurrent() in stopping:
                        raise gevent.GreenletExit
                    with gevent.Timeout(STUCK, TimeoutError):
                        channel.sendall(buffer[:size])  # type: ignore[arg-type]
                    left -= size
                    meter.sent += size
                channel.shutdown_write()
            except TimeoutError:
                return [f"the host took nothing for {STUCK} s"]
            except OSError:  # the other end may stop before the end, and says why
                pass
            if not channel.status_event.wait(STUCK):
                return [f"the host did not end it within {STUCK} s"]
            status = channel.recv_exit_status()
            said = b"" if status == 0 else _last(channel)
        if connection.lost(host) or status < 0:
            raise ConnectionResetError("the connection is gone")
        if status:
            return [*said.decode(errors="replace").splitlines(), f"dd ended with status {status}"]
    return []
