"""aria2c on one host, led over its own SSH channel: it lives as long as that is open."""

from __future__ import annotations

import base64
import ipaddress
import re
import time
from collections import deque
from contextlib import suppress

import gevent
from gevent.event import Event
from paramiko import SSHException
from pyinfra.api import Host

from operations.host import connection, events
from operations.host.output import split
from operations.host.scripts import script
from operations.transfer.ssh_stream import Meter

#: one network, one file, nothing that outlives it
COMMON = (
    "--no-conf",
    "--enable-color=false",
    "--human-readable=false",
    "--summary-interval=1",
    "--console-log-level=warn",
    "--file-allocation=none",
    "--disk-cache=0",
    "--auto-save-interval=0",
    "--enable-dht=false",
    "--disable-ipv6=true",
    "--bt-enable-lpd=false",
    "--enable-peer-exchange=false",
    "--bt-require-crypto=true",
    "--seed-ratio=0.0",
    "--follow-torrent=false",
    "--check-integrity=true",
)
#: seconds in which the first bytes have to come, and in which others have to follow
START, STALL = 30, 20
#: bytes a second, over so many seconds, that are too few to stay
FLOOR, WINDOW = 1 << 20, 40
#: seconds that a host gives to others at most, from the start of its swarm client
LONGEST = 6 * 3600
AT = re.compile(r"\[#\w+ (\d{1,18})B/(\d{1,18})B")
#: what says nothing of why it ends; a file that is not there yet has a wrong checksum, too
NOISE = re.compile(r"^FILE:|^\*\*\*|Checksum error detected")


class Stranded(Exception):
    """Why a host leaves a swarm."""


class Peer:
    """:raises Stranded: the host cannot be in a swarm"""

    def __init__(
        self, host: Host, part: str, client: str, ports: str, rate: int, controller: str, port: int
    ) -> None:
        self.rate, self.whole = rate, False
        self._at, self._said, self._new = 0, deque[str](maxlen=5), Event()
        self._ended = self._checking = False
        self._addresses: tuple[str, str] | None = None
        command = script(
            "swarm", part, client, ports, str(rate), controller, str(port), *COMMON, timeout=LONGEST
        )
        channel = connection.stream(host, str(command.get_raw_value()))
        assert channel is not None
        self.channel = channel
        self._reader = gevent.spawn(self._read)

    def _read(self) -> None:
        with suppress(OSError, EOFError, SSHException):
            for line in split(self.channel.recv, self.channel.close):
                self._take(line.strip())
        self._ended = True
        self._new.set()

    def _take(self, line: str) -> None:
        found = AT.search(line)
        if line.startswith("address ") and len(line.split()) == 3:
            _, own, controller = line.split()
            self._addresses = (own, controller)
        elif " SEED(" in line:
            self.whole, self._checking = True, False
        elif found:
            self._checking = "[Checksum:" in line
            self._at = int(found[1])
        elif line.strip("-=") and not NOISE.search(line):
            self._said.append(line)
        else:
            return
        self._new.set()

    def addresses(self) -> tuple[str, str]:
        """The host's own address and the controller's, as the host sees them."""
        end = time.monotonic() + START
        while self._addresses is None and not self._ended and time.monotonic() < end:
            self._next()
        if self._addresses is None:
            raise Stranded(self._why())
        for one in self._addresses:
            try:
                ipaddress.IPv4Address(one)
            except ValueError:
                raise Stranded(f"{one[:60]} is no IPv4 address, and a swarm needs one") from None
        return self._addresses

    def join(self, torrent: bytes) -> None:
        self.channel.sendall(base64.b64encode(torrent) + b"\n")

    def wait(self, meter: Meter, there: int, size: int) -> None:
        """Until the file is whole.

        :param there: bytes of it that were there, right or wrong

        :raises Stranded: it does not become so, or too slowly
        """
        floor = min(FLOOR, self.rate << 18) if self.rate else FLOOR
        started = begin = moved = time.monotonic()
        first: int | None = None if there else 0
        at, past = 0, deque[tuple[float, int]]()
        while not self.whole:
            if self._ended:
                raise Stranded(self._why())
            if events.halted():
                raise Stranded("the run is stopped")
            self._next()
            now = time.monotonic()
            if now - started > LONGEST:
                raise Stranded(f"it has not ended within {LONGEST // 3600} h")
            if self._checking:
                begin = moved = now
                continue
            first = self._at if first is None and self._at else first
            if self._at > at:
                meter.swarmed += self._at - max(at, first or 0)
                at, moved = self._at, now
            got = at - (first or 0)
            if got:
                past.append((now, at))
            while past and past[0][0] < now - WINDOW:
                past.popleft()
            if not got and now - begin > START:
                raise Stranded(f"nothing came in {START} s: is {self._where()} reachable from it?")
            if got and now - moved > STALL:
                raise Stranded(f"nothing came for {STALL} s")
            span = now - past[0][0] if past else 0
            if span > WINDOW * 0.9 and (rate := (at - past[0][1]) / span) < floor:
                raise Stranded(f"{rate / 1e6:.1f} MB/s over {span:.0f} s is too slow")
        meter.swarmed += size - max(at, first or 0)

    def close(self) -> None:
        """Enough: the host's aria2c ends with its channel."""
        with suppress(OSError, EOFError, SSHException):
            self.channel.close()

    def _next(self) -> None:
        self._new.wait(1)
        self._new.clear()

    def _where(self) -> str:
        return self._addresses[1] if self._addresses else "the controller"

    def _why(self) -> str:
        return "; ".join(self._said) or "its aria2c ended"
