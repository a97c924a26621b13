"""The controller's end of a swarm: aria2c that has all of one file, and only reads it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path

import gevent
from aria2c import ARIA2C
from gevent import subprocess

#: of both ends: one network, one file, nothing that outlives the process
COMMON = (
    "--no-conf", "--enable-color=false", "--human-readable=false", "--summary-interval=1",
    "--console-log-level=warn", "--file-allocation=none", "--disk-cache=0",
    "--auto-save-interval=0", "--enable-dht=false", "--disable-ipv6=true",
    "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--bt-require-crypto=true",
    "--seed-ratio=0.0", "--follow-torrent=false", "--check-integrity=true",
)  # fmt: skip
#: seconds until it listens
START = 15
#: of its folders' names; the number of the process that made one follows
PREFIX = "mlufleet-seed-"


def _sweep() -> None:
    """Remove the folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def free(ports: str) -> int:
    """A port of "6881-6999" that nobody listens on here.

    :raises OSError: there is none
    """
    first, _, last = ports.partition("-")
    for port in range(int(first), int(last or first) + 1):
        try:
            with socket.socket() as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(("0.0.0.0", port))
        except OSError:
            continue
        return port
    raise OSError(f"no free port among {ports} on the controller")


class Seed:
    """:raises OSError: it does not start"""

    def __init__(self, local: Path, sha: str, torrent: bytes, ports: str, rate: int) -> None:
        _sweep()
        self._folder = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-")
        folder = Path(self._folder.name)
        # aria2c would keep its books beside the file: the store may be read-only
        (folder / sha).symlink_to(local.absolute())
        (folder / "torrent").write_bytes(torrent)
        self._log = folder / "log"
        self.port = free(ports)
        words = [
            str(ARIA2C), *COMMON, f"--dir={folder}", f"--index-out=1={sha}",
            f"--torrent-file={folder / 'torrent'}",
            "--bt-seed-unverified=true", f"--listen-port={self.port}",
            # ends with this process, however that ends
            f"--max-overall-upload-limit={rate}M", f"--stop-with-process={os.getpid()}",
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + START
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", self.port)):
                    return
            gevent.sleep(0.1)
        said = self._log.read_text(errors="replace").strip().splitlines()
        self.end()
        raise OSError(f"the controller's aria2c does not start: {said[-1] if said else 'silent'}")

    def end(self) -> int:
        """Stop it. :returns: bytes that it has sent"""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        said = self._log.read_text(errors="replace")
        self._folder.cleanup()
        found = re.findall(r" UL:\d+B\((\d+)B\)|uploaded/downloaded=(\d+)B", said)
        return max((int(summary or last) for summary, last in found), default=0)
