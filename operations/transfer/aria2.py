"""aria2c on one host, controlled over an SSH channel of its own: it runs while that is open."""

from __future__ import annotations

import base64
import ipaddress
import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import gevent
from gevent.event import Event
from paramiko import SSHException
from pyinfra.api import Host

from fleet.language import _
from operations.host import connection
from operations.host.context import run_context
from operations.host.output import decode_lines
from operations.host.scripts import script_command
from operations.transfer.ssh_stream import TransferProgress

#: one network, one file, nothing that outlives the process
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
)
#: check what is there of a partial file, and write what is missing
FILL_OPTIONS = ("--check-integrity=true", "--allow-overwrite=true")
#: serve a complete file whose sha256 was verified. aria2 opens a file of the right size for reading
#: only, and would write to it only if a check found a wrong piece: there is no check. What such a
#: piece would be to others, their own checks say
SERVE_OPTIONS = ("--check-integrity=false", "--bt-seed-unverified=true", "--allow-overwrite=false")
#: seconds in which the first bytes have to arrive
START_TIMEOUT_S = 30
#: seconds in which more bytes have to arrive afterwards
STALL_TIMEOUT_S = 20
#: bytes per second below which a host leaves the swarm
MIN_RATE_BYTES_S = 1 << 20
#: seconds over which the rate is measured
RATE_WINDOW_S = 40
#: seconds that aria2c runs on a host at most
MAX_DURATION_S = 6 * 3600
PROGRESS_PATTERN = re.compile(r"\[#\w+ (\d{1,18})B/(\d{1,18})B")
#: lines that do not explain why aria2c ended; a file that does not exist yet fails its checksum
NOISE_PATTERN = re.compile(r"^FILE:|^\*\*\*|Checksum error detected")


class LeftSwarm(Exception):
    """Why a host leaves a swarm."""


class _Arrival:
    """What arrives of a file, apart from what was on the host before, and how fast.

    Attributes:
        begin_s: time from which something has to arrive
        last_change_s: when something arrived last
    """

    def __init__(self, progress: TransferProgress, there: int, now: float) -> None:
        """Begin to count.

        Args:
            progress: counts what arrives
            there: bytes of the partial file that were there before, correct or not
            now: the time in seconds
        """
        self.begin_s = self.last_change_s = now
        self._progress = progress
        # what aria2c counts first has been on the host before
        self._first: int | None = None if there else 0
        self._counted = 0
        self._history = deque[tuple[float, int]]()

    @property
    def received_bytes(self) -> int:
        """Bytes that have arrived."""
        return self._counted - (self._first or 0)

    def count(self, now: float, counted: int) -> None:
        """Note what aria2c counts.

        Args:
            now: the time in seconds
            counted: bytes that aria2c has, with those that were there
        """
        if self._first is None and counted:
            self._first = counted
        if counted > self._counted:
            self._progress.swarmed += counted - max(self._counted, self._first or 0)
            self._counted, self.last_change_s = counted, now
        if self.received_bytes:
            self._history.append((now, self._counted))
        while self._history and self._history[0][0] < now - RATE_WINDOW_S:
            self._history.popleft()

    def check(self, now: float, min_rate: float) -> None:
        """Check that it goes on, and fast enough.

        Args:
            now: the time in seconds
            min_rate: bytes a second that have to arrive

        Raises:
            LeftSwarm: it does not
        """
        if self.received_bytes and now - self.last_change_s > STALL_TIMEOUT_S:
            raise LeftSwarm(_("nothing came for {seconds} s", seconds=STALL_TIMEOUT_S))
        begin, counted = self._history[0] if self._history else (now, 0)
        span = now - begin
        if span > RATE_WINDOW_S * 0.9 and (rate := (self._counted - counted) / span) < min_rate:
            raise LeftSwarm(
                _(
                    "{rate:.1f} MB/s over {seconds:.0f} s is too slow",
                    rate=rate / 1e6,
                    seconds=span,
                )
            )

    def complete(self, size: int) -> None:
        """Count the rest of a file that is complete.

        Args:
            size: bytes of the file
        """
        self._progress.swarmed += size - max(self._counted, self._first or 0)


class Aria2Peer:
    """A host's aria2c, which fills a partial file and serves it, or serves a complete file.

    Attributes:
        is_complete: whether the host has the complete file
    """

    def __init__(
        self,
        host: Host,
        file: str,
        size: int,
        client: str,
        ports: str,
        rate: int,
        controller: str,
        port: int,
    ) -> None:
        """Start aria2c.

        Args:
            host: the host that it runs on
            file: name of the partial file; or the path of a complete file, which is only read
            size: bytes of the complete file
            client: path of aria2c on the host
            ports: range of TCP ports that it may listen on
            rate: MiB/s that it may receive, and send; 0 for no limit
            controller: IPv4 address of the controller; "" for the one that SSH_CONNECTION has
            port: TCP port of the tracker

        Raises:
            OSError, EOFError, SSHException: the connection is lost
        """
        self.rate, self.ports, self.is_complete = rate, ports, False
        self._stop = run_context(host).stop
        self._received_bytes, self._messages, self._changed = 0, deque[str](maxlen=5), Event()
        self._has_ended = self._is_checking = False
        self._addresses: tuple[str, str] | None = None
        self._on_end: Callable[[], object] | None = None
        command = script_command(
            "swarm",
            file,
            str(size),
            client,
            ports,
            str(rate),
            controller,
            str(port),
            *ARIA2_OPTIONS,
            *(SERVE_OPTIONS if file.startswith("/") else FILL_OPTIONS),
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
        if self._on_end:
            self._on_end()

    def call_at_end(self, on_end: Callable[[], object]) -> None:
        """Have something called once aria2c has ended; at once if it has.

        Args:
            on_end: what to call
        """
        self._on_end = on_end
        if self._has_ended:
            on_end()

    def _parse_line(self, line: str) -> None:
        progress = PROGRESS_PATTERN.search(line)
        if line.startswith("address ") and len(line.split()) == 3:
            _mark, own, controller = line.split()
            self._addresses = (own, controller)
        elif " SEED(" in line:
            self.is_complete, self._is_checking = True, False
        elif progress:
            self._is_checking = "[Checksum:" in line
            self._received_bytes = int(progress[1])
        elif line.strip("-=") and not NOISE_PATTERN.search(line):
            self._messages.append(line)
        else:
            return
        self._changed.set()

    def wait_for_addresses(self) -> tuple[str, str]:
        """Return the addresses of the host and of the controller, as the host sees them.

        Raises:
            LeftSwarm: it does not print them, or they are not IPv4 addresses
        """
        end = time.monotonic() + START_TIMEOUT_S
        while self._addresses is None and not self._has_ended and time.monotonic() < end:
            self._wait_for_output()
        if self._addresses is None:
            raise LeftSwarm(self._last_messages())
        for address in self._addresses:
            try:
                ipaddress.IPv4Address(address)
            except ValueError:
                raise LeftSwarm(
                    _("{address} is not an IPv4 address, which a swarm needs", address=address[:60])
                ) from None
        return self._addresses

    def send_torrent(self, torrent: bytes) -> None:
        """Let the host join the swarm.

        Args:
            torrent: the torrent of the file
        """
        self.channel.sendall(base64.b64encode(torrent) + b"\n")

    def wait_until_serving(self) -> None:
        """Wait until a complete file is served.

        Raises:
            LeftSwarm: it is not
        """
        end = time.monotonic() + START_TIMEOUT_S
        while not self.is_complete and not self._has_ended and time.monotonic() < end:
            self._wait_for_output()
        if self._has_ended or not self.is_complete:
            raise LeftSwarm(self._last_messages())

    def wait_until_complete(self, progress: TransferProgress, there: int, size: int) -> None:
        """Wait until the file is complete.

        Args:
            progress: counts what arrives
            there: bytes of the partial file that were there before, correct or not
            size: bytes of the complete file

        Raises:
            LeftSwarm: it does not arrive, or too slowly
        """
        min_rate = min(MIN_RATE_BYTES_S, self.rate << 18) if self.rate else MIN_RATE_BYTES_S
        started = time.monotonic()
        arrival = _Arrival(progress, there, started)
        while not self.is_complete:
            if self._has_ended:
                raise LeftSwarm(self._last_messages())
            if self._stop.requested:
                raise LeftSwarm(_("the run is stopped"))
            self._wait_for_output()
            now = time.monotonic()
            if now - started > MAX_DURATION_S:
                raise LeftSwarm(_("not complete within {hours} h", hours=MAX_DURATION_S // 3600))
            if self._is_checking:
                arrival.begin_s = arrival.last_change_s = now
                continue
            arrival.count(now, self._received_bytes)
            if not arrival.received_bytes and now - arrival.begin_s > START_TIMEOUT_S:
                raise LeftSwarm(
                    _(
                        "nothing came in {seconds} s: can it reach {address}, and can {address} "
                        "reach its ports {ports}?",
                        seconds=START_TIMEOUT_S,
                        address=self._controller_address(),
                        ports=self.ports,
                    )
                )
            arrival.check(now, min_rate)
        arrival.complete(size)

    def close(self) -> None:
        """End aria2c on the host, which ends with its channel."""
        with suppress(OSError, EOFError, SSHException):
            self.channel.close()

    def _wait_for_output(self) -> None:
        self._changed.wait(1)
        self._changed.clear()

    def _controller_address(self) -> str:
        return self._addresses[1] if self._addresses else _("the controller")

    def _last_messages(self) -> str:
        return "; ".join(self._messages) or _("its aria2c ended")
