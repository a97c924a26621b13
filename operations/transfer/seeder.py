"""The controller's end of a swarm: a process that gives one file from the store to hosts."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from fleet.checksum import torrent
from fleet.language import _
from fleet.paths import CODE_ROOT
from operations.transfer import seed_process


def find_free_port(ports: str) -> int:
    """Return a TCP port of a range that nothing listens on here.

    Args:
        ports: a range such as "6881-6999", or one port

    Raises:
        OSError: all ports of the range are in use
    """
    first, _dash, last = ports.partition("-")
    for port in range(int(first), int(last or first) + 1):
        try:
            with socket.socket() as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(("0.0.0.0", port))
        except OSError:
            continue
        return port
    raise OSError(_("no free port among {ports} on the controller", ports=ports))


class Seeder:
    """Gives one complete file. It ends with this process."""

    def __init__(self, local: Path, metainfo: bytes, rate: int) -> None:
        """Start the process.

        Args:
            local: the file, which has been verified against the lock
            metainfo: its torrent
            rate: MiB/s that it sends; 0 for no limit

        Raises:
            OSError: the process does not start
        """
        piece_bytes = torrent.find_piece_bytes(local.stat().st_size)
        infohash = torrent.compute_infohash(metainfo).hex()
        words = [sys.executable, "-m", seed_process.__name__, str(local.absolute())]
        self._process = subprocess.Popen(
            [*words, infohash, str(piece_bytes), str(rate << 20)],
            cwd=CODE_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is the run's
        )

    def connect(self, address: str, port: int) -> None:
        """Connect to a host.

        Args:
            address: its IPv4 address
            port: TCP port that it listens on
        """
        assert self._process.stdin
        with suppress(OSError):  # it has ended, and the host soon leaves the swarm
            self._process.stdin.write(f"{address} {port}\n".encode())
            self._process.stdin.flush()

    def stop(self) -> int:
        """Stop serving.

        Returns:
            Bytes that it has sent.
        """
        output, _errors = self._process.communicate()
        return int(output or 0)
