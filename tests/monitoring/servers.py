"""Prometheus, Alertmanager and what they talk to, each on a free port of this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, TypeVar

from mlufleet.watch.metrics import render_metrics
from mlufleet.watch.snapshot import FleetSnapshot
from tests.monitoring import programs
from tests.unit.server import serve

T = TypeVar("T")
#: seconds until something is given up that takes one or two
PATIENCE_S = 60.0


def wait_for(look: Callable[[], T | None], what: str) -> T:
    """Return what a function finds, as soon as it finds it."""
    end = time.monotonic() + PATIENCE_S
    while True:
        if found := look():
            return found
        assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:.0f} s"
        time.sleep(0.1)


@contextmanager
def running(name: str, folder: Path, *options: str) -> Iterator[str]:
    """A server of a package: its address and port.

    Args:
        name: the program.
        folder: for its log.
        options: its options, without the one for the address.
    """
    log = folder / f"{name}.log"
    command = [programs.find(name), "--web.listen-address=127.0.0.1:0", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "GOMAXPROCS": "1"},  # beside other tests on two processors
        )

    def find_address() -> str | None:
        assert process.poll() is None, log.read_text()
        found = re.search(r'msg="Listening on" address=(\S+)', log.read_text())
        return found[1] if found else None

    try:
        yield wait_for(find_address, f"{name} listens")
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class Watch:
    """What stands where the watch answers: /metrics of a snapshot that a test sets."""

    snapshot: FleetSnapshot
    address: str = ""


@contextmanager
def watching(snapshot: FleetSnapshot) -> Iterator[Watch]:
    """A page /metrics."""
    watch = Watch(snapshot)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            content = render_metrics(watch.snapshot) if self.path == "/metrics" else b""
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with serve(Handler) as watch.address:
        yield watch


@dataclass
class Receiver:
    """A webhook, and the alerts that it was told of."""

    address: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, status: str, name: str) -> dict[str, Any] | None:
        """The alert of that name that it was told of with this status; None for none."""
        with self.lock:
            found = (one for one in self.told if one["status"] == status)
            return next((one for one in found if one["labels"]["alertname"] == name), None)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A webhook for Alertmanager."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with receiver.lock:
                receiver.told += content["alerts"]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serve(Handler) as receiver.address:
        yield receiver


@dataclass
class Prometheus:
    """Prometheus' HTTP API."""

    address: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Return `data` of an answer; an error of a query is an exception with its text."""
        query = urllib.parse.urlencode(parameters)
        url = f"http://{self.address}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found
