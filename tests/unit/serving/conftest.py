"""Servers, honest and lying ones, and the supervisor as it runs in a container."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[3]
SERVING = ROOT / "files" / "serving"
STAND_IN = Path(__file__).with_name("stand_in_server.py")


def load_module(name: str) -> ModuleType:
    """Load a module of files/serving, which is no package."""
    spec = importlib.util.spec_from_file_location(name, SERVING / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


client_http = load_module("client_http")
client_questions = load_module("client_questions")
client = load_module("client")
load_module("supervisor_output")
supervisor_starts = load_module("supervisor_starts")


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def build_definition(*servers: list[str], **fields: Any) -> dict[str, Any]:
    """What the serve stage writes, with short times: one instance for each list of faults."""
    instances = []
    for number, faults in enumerate(servers):
        port = find_port()
        command = [sys.executable, str(STAND_IN), str(port), *faults]
        instances.append(
            {
                **{"name": str(number), "port": port, "workdir": "/", "command": command},
                "environment": {"MLU_VISIBLE_DEVICES": str(number)},
            }
        )
    definition = {
        **{"digest": "d1", "version": 1, "release": "small", "model": "small", "api": "openai"},
        **{"path": os.environ["PATH"], "key_file": "", "ready_path": "/v1/models"},
        **{"question_path": "/v1/chat/completions", "question": "你好", "expect": "我是"},
        **{"load_timeout": 50, "answer_timeout": 40, "drain_timeout": 20, "check_every": 0.2},
        **{"load_every": 0.05, "ready_every": 0.1, "ready_timeout": 20, "kill_timeout": 20},
        **{"backoff_first": 0.02, "backoff_limit": 0.05, "instances": instances},
    }
    return {**definition, **fields}


@pytest.fixture
def serve_liar() -> Iterator[Callable[..., dict[str, Any]]]:
    """Start a stand-in with faults; returns the definition whose first instance it is."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*faults: str, **fields: Any) -> dict[str, Any]:
        definition = build_definition([*faults], **fields)
        port = definition["instances"][0]["port"]
        command = definition["instances"][0]["command"]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        until(lambda: is_open(port), "the stand-in listens")
        return definition

    yield start
    for process in started:
        process.kill()
        process.wait()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Line:
    """The line of state of an instance, as the probe reads it."""

    digest: str
    state: str
    pid: int
    started: int
    ready_s: float
    restarts: int
    answered: int
    code: str
    reason: str


class Container:
    """The supervisor in a process of its own, with its folders; `program` starts it."""

    def __init__(self, folder: Path, *program: str) -> None:
        self.folder, self.state_folder = folder / "serve", folder / "state"
        self.folder.mkdir()
        self.log_path = folder / "log"
        command = [sys.executable, *program, "--folder", str(self.folder)]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--state", str(self.state_folder)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                preexec_fn=adopt_orphans,
            )
        until(self.state_folder.exists, "the supervisor begins")

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def place(self, definition: dict[str, Any]) -> None:
        """Write the definition as the stage does, and tell the supervisor."""
        new = self.folder / "new"
        new.write_text(json.dumps(definition))
        new.replace(self.folder / "definition.json")
        self.process.send_signal(signal.SIGHUP)

    def remove(self) -> None:
        (self.folder / "definition.json").unlink()
        self.process.send_signal(signal.SIGHUP)

    def read(self, name: str = "0") -> Line | None:
        try:
            text = (self.state_folder / name).read_text()
        except FileNotFoundError:
            return None
        assert text.endswith("\n") and text.count("\n") == 1
        words = text.rstrip("\n").split("\t")
        numbers = [
            kind(word) for kind, word in zip((int, int, float, int, int), words[2:7], strict=True)
        ]
        assert len(words) == 9
        return Line(words[0], words[1], *numbers, *words[7:])

    def wait_for(self, state: str, name: str = "0", **fields: Any) -> Line:
        """Wait until an instance is in a state, and has these values."""

        def fits() -> Line | None:
            line = self.read(name)
            values = {"state": state, **fields}
            fit = line and all(getattr(line, field) == value for field, value in values.items())
            return line if fit else None

        def show() -> str:
            return f"{state} {fields}, but {self.read(name)}\n{self.log}"

        end = time.monotonic() + PATIENCE_S
        while not (line := fits()):
            assert time.monotonic() < end, show()
            assert self.process.poll() is None, show()
            time.sleep(0.01)
        return line

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


def adopt_orphans() -> None:
    """Make this process the parent of orphans, as the first of a container is."""
    assert ctypes.CDLL(None).prctl(36, 1) == 0  # PR_SET_CHILD_SUBREAPER


@contextmanager
def start_container(folder: Path, program: Path, *arguments: str) -> Iterator[Container]:
    """A supervisor without a definition, which a program runs."""
    started = Container(folder, str(program), *arguments)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
            try:
                started.process.wait(PATIENCE_S)
            finally:
                started.process.kill()


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    """A supervisor without a definition."""
    with start_container(tmp_path, SERVING / "supervisor.py") as started:
        yield started
