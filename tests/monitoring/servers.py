"""Prometheus, Alertmanager and what they talk to, each on a free port of this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import yaml

from mlufleet.watch.http_server import HttpServer, Page
from mlufleet.watch.metrics import render_metrics
from mlufleet.watch.pages import METRICS_TYPE
from mlufleet.watch.snapshot import FleetSnapshot
from tests.monitoring import programs
from tests.unit import PROJECT
from tests.unit.server import serve
from tests.waiting import PATIENCE_S, until


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
        address = until(find_address, f"{name} listens")
        until(lambda: is_ready(address), f"{name} is ready")
        yield address
    finally:
        end_process(process)


def is_ready(address: str) -> bool:
    """Return whether a server answers; it listens before that."""
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=PATIENCE_S) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a server, which has a while to do so by itself."""
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class Pages:
    """The page /metrics of a watch, of a snapshot that a test sets."""

    snapshot: FleetSnapshot
    address: str = ""


@contextmanager
def serving_pages(snapshot: FleetSnapshot) -> Iterator[Pages]:
    """Such a page, served as the watch does."""
    pages = Pages(snapshot)

    def make_metrics() -> Page:
        return Page(render_metrics(pages.snapshot), METRICS_TYPE)

    server = HttpServer("127.0.0.1", 0, "", {"/metrics": make_metrics})
    server.start()
    pages.address = f"127.0.0.1:{server.port}"
    try:
        yield pages
    finally:
        server.close()


@contextmanager
def watching(folder: Path, every_s: float, *command: str, cwd: Path = PROJECT) -> Iterator[str]:
    """A process that watches: the address of its pages, which need the token in its folder.

    Args:
        folder: what it keeps, and its log.
        every_s: seconds between two looks at a host.
        command: starts its look process.
        cwd: its working folder.
    """
    (folder / "token").write_text("token-of-the-test")
    (folder / "token").chmod(0o600)
    log = folder / "log"
    words = ["tests.monitoring.looking", str(folder), str(every_s), *command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "SSH_AUTH_SOCK": ""},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def find_port() -> str | None:
        assert process.poll() is None, log.read_text()
        return (folder / "port").read_text() if (folder / "port").exists() else None

    try:
        yield f"127.0.0.1:{until(find_port, 'the watch listens')}"
    finally:
        end_process(process)
        print(log.read_text())


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


FILES = PROJECT / "files/monitoring"
RULES = ("alerts.yml", "problem_alerts.yml")


def shorten(rules: str) -> str:
    """Return the rules with seconds in place of minutes and hours; all else stays."""
    return re.sub(r"^( +for:) .*", r"\1 1s", rules, flags=re.M).replace("[5m]", "[3s]")


def alertmanager_config(receiver: str) -> str:
    """Return the example's configuration with its routes, and one webhook for each receiver."""
    config = yaml.safe_load((FILES / "alertmanager.example.yml").read_text())
    hook = {"url": f"http://{receiver}/", "send_resolved": True}
    config["receivers"] = [
        {"name": one["name"], "webhook_configs": [hook]} for one in config["receivers"]
    ]
    config["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    config["templates"] = [str(FILES / "alertmanager.tmpl")]
    return yaml.safe_dump(config)


def job(name: str, address: str, token: Path | None = None) -> dict[str, Any]:
    """Return what Prometheus scrapes.

    Args:
        name: name of the job.
        address: address and port.
        token: file with the token; None for none.
    """
    login = {"authorization": {"credentials_file": str(token)}} if token else {}
    return {"job_name": name, "static_configs": [{"targets": [address]}], **login}


@contextmanager
def monitoring(folder: Path, *jobs: dict[str, Any]) -> Iterator[tuple[Prometheus, Receiver]]:
    """Prometheus with the project's rules, Alertmanager with its example, and what that tells.

    Args:
        folder: for what they keep.
        jobs: elements of `scrape_configs`.
    """
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        (folder / "alertmanager.yml").write_text(alertmanager_config(receiver.address))
        options = (
            "--config.file=alertmanager.yml",
            "--storage.path=am",
            "--cluster.listen-address=",
        )
        alertmanager = stack.enter_context(running("prometheus-alertmanager", folder, *options))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": list(RULES),
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            "scrape_configs": list(jobs),
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        for file in RULES:
            (folder / file).write_text(shorten((FILES / file).read_text()))
        options = ("--config.file=prometheus.yml", "--storage.tsdb.path=data")
        address = stack.enter_context(running("prometheus", folder, *options))
        yield Prometheus(address), receiver
