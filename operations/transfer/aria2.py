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
from operations.host.output import decode_lines
from operations.host.scripts import script_command
from operations.transfer.ssh_stream import TransferProgress

#: one network, one file, nothing that outlives it
ARIA2_OPTIONS = (
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
START_TIMEOUT_S, STALL_TIMEOUT_S = 30, 20
#: bytes a second, over so many seconds, that are too few to stay
MIN_RATE_BYTES_S, RATE_WINDOW_S = 1 << 20, 40
#: seconds that a host gives to others at most, from the start of its swarm client
MAX_DURATION_S = 6 * 3600
PROGRESS_PATTERN = re.compile(r"\[#\w+ (\d{1,18})B/(\d{1,18})B")
#: what says nothing of why it ends; a file that is not there yet has a wrong checksum, too
NOISE_PATTERN = re.compile(r"^FILE:|^\*\*\*|Checksum error detected")


class LeftSwarm(Exception):
    """Why a host leaves a swarm."""


class Aria2Peer:
    """:raises Stranded: the host cannot be in a swarm"""

    def __init__(
        self, host: Host, part: str, client: str, ports: str, rate: int, controller: str, port: int
    ) -> None:
        self.rate, self.is_complete = rate, False
        self._received_bytes, self._messages, self._changed = 0, deque[str](maxlen=5), Event()
        self._has_ended = self._is_checking = False
        self._addresses: tuple[str, str] | None = None
        command = script_command(
            "swarm",
            part,
            client,
            ports,
            str(rate),
            controller,
            str(port),
            *ARIA2_OPTIONS,
            timeout=MAX_DURATION_S,
        )
        channel = connection.open_stream(host, str(command.get_raw_value()))
        assert channel is not None
        self.channel = channel
        self._reader = gevent.spawn(self._read)

    def _read(self) -> None:
        with suppress(OSError, EOFError, SSHException):
            for line in decode_lines(self.channel.recv, self.channel.close):
                self._parse_line(line.strip())
        self._has_ended = True
        self._changed.set()

    def _parse_line(self, line: str) -> None:
        found = PROGRESS_PATTERN.search(line)
        if line.startswith("address ") and len(line.split()) == 3:
            _, own, controller = line.split()
            self._addresses = (own, controller)
        elif " SEED(" in line:
            self.is_complete, self._is_checking = True, False
        elif found:
            self._is_checking = "[Checksum:" in line
            self._received_bytes = int(found[1])
        elif line.strip("-=") and not NOISE_PATTERN.search(line):
            self._messages.append(line)
        else:
            return
        self._changed.set()

    def wait_for_addresses(self) -> tuple[str, str]:
        """The host's own address and the controller's, as the host sees them."""
        end = time.monotonic() + START_TIMEOUT_S
        while self._addresses is None and not self._has_ended and time.monotonic() < end:
            self._wait_for_output()
        if self._addresses is None:
            raise LeftSwarm(self._last_messages())
        for one in self._addresses:
            try:
                ipaddress.IPv4Address(one)
            except ValueError:
                raise LeftSwarm(f"{one[:60]} is no IPv4 address, and a swarm needs one") from None
        return self._addresses

    def send_torrent(self, torrent: bytes) -> None:
        self.channel.sendall(base64.b64encode(torrent) + b"\n")

    def wait_until_complete(self, progress: TransferProgress, there: int, size: int) -> None:
        """Until the file is whole.

        :param there: bytes of it that were there, right or wrong

        :raises Stranded: it does not become so, or too slowly
        """
        floor = min(MIN_RATE_BYTES_S, self.rate << 18) if self.rate else MIN_RATE_BYTES_S
        started = begin = moved = time.monotonic()
        first: int | None = None if there else 0
        at, past = 0, deque[tuple[float, int]]()
        while not self.is_complete:
            if self._has_ended:
                raise LeftSwarm(self._last_messages())
            if events.stop_requested():
                raise LeftSwarm("the run is stopped")
            self._wait_for_output()
            now = time.monotonic()
            if now - started > MAX_DURATION_S:
                raise LeftSwarm(f"it has not ended within {MAX_DURATION_S // 3600} h")
            if self._is_checking:
                begin = moved = now
                continue
            first = self._received_bytes if first is None and self._received_bytes else first
            if self._received_bytes > at:
                progress.swarmed += self._received_bytes - max(at, first or 0)
                at, moved = self._received_bytes, now
            got = at - (first or 0)
            if got:
                past.append((now, at))
            while past and past[0][0] < now - RATE_WINDOW_S:
                past.popleft()
            if not got and now - begin > START_TIMEOUT_S:
                raise LeftSwarm(
                    f"nothing came in {START_TIMEOUT_S} s: "
                    f"is {self._controller_address()} reachable from it?"
                )
            if got and now - moved > STALL_TIMEOUT_S:
                raise LeftSwarm(f"nothing came for {STALL_TIMEOUT_S} s")
            span = now - past[0][0] if past else 0
            if span > RATE_WINDOW_S * 0.9 and (rate := (at - past[0][1]) / span) < floor:
                raise LeftSwarm(f"{rate / 1e6:.1f} MB/s over {span:.0f} s is too slow")
        progress.swarmed += size - max(at, first or 0)

    def close(self) -> None:
        """Enough: the host's aria2c ends with its channel."""
        with suppress(OSError, EOFError, SSHException):
            self.channel.close()

    def _wait_for_output(self) -> None:
        self._changed.wait(1)
        self._changed.clear()

    def _controller_address(self) -> str:
        return self._addresses[1] if self._addresses else "the controller"

    def _last_messages(self) -> str:
        return "; ".join(self._messages) or "its aria2c ended"
