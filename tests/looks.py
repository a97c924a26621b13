"""A look process of the test's own: asked for looks, its answers tracked as the watch does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlufleet.watch import tracking
from mlufleet.watch.look_messages import (
    Message,
    Observed,
    Ready,
    Round,
    RoundEnded,
    decode_message,
    encode_message,
)
from mlufleet.watch.observation import Observation
from mlufleet.watch.problems import Change, HostState
from tests.unit import PROJECT
from tests.waiting import PATIENCE_S


class Looks:
    """A look process that runs.

    Attributes:
        ready: What it said first.
        states: What is known of each host after the looks so far.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._rounds = 0
        self.states: dict[str, HostState] = {}
        ready = self.read()
        assert isinstance(ready, Ready)
        self.ready = ready

    def read(self) -> Message:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the look process has ended"
        return decode_message(line)

    def ask(self, *hosts: str) -> int:
        """Ask for a round, and return its number."""
        assert self.process.stdin
        self._rounds += 1
        self.process.stdin.write(encode_message(Round(self._rounds, list(hosts))))
        self.process.stdin.flush()
        return self._rounds

    def look(self, *hosts: str) -> dict[str, Observation]:
        """What a round of looks sees."""
        number, seen = self.ask(*hosts), {}
        while not isinstance(message := self.read(), RoundEnded):
            assert isinstance(message, Observed) and message.number == number
            seen[message.observation.host] = message.observation
        assert message == RoundEnded(number)
        return seen

    def track(self, host: str) -> list[Change]:
        """What a further look at a host changes, but for its health."""
        seen = self.look(host)[host]
        print(seen)
        self.states[host], changes = tracking.track(self.states.get(host, HostState()), seen)
        return [change for change in changes if change.kind != "health"]


@contextmanager
def looking(folder: Path, inventory: str = "hosts.py") -> Iterator[Looks]:
    """A look process in a folder; it has to end by itself."""
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "SSH_AUTH_SOCK": ""}
    command = [sys.executable, "-m", "mlufleet.watch.look_process", inventory]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=env, stdin=pipe, stdout=pipe) as process:
        try:
            yield Looks(process)
            assert process.stdin
            process.stdin.close()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
