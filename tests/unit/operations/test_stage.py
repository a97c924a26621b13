"""How a stage carries a host, and what it does where the host cannot be looked at any more."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations import stage
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.stage import FailHost, HostOptions, Stage
from tests.unit.conftest import BARE, probe


@pytest.mark.parametrize("seen", [1, 2, 3])
def test_a_look_that_fails_in_the_middle_of_an_act_ends_it_for_that_host(
    wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    """After so many looks there is none: nothing is planned for a host without a kernel."""
    why = Failure("PROBE_FAILED", "the probe's output has no end")
    looks: list[HostFacts | Failure] = [probe(*BARE)] * seen
    monkeypatch.setattr(stage, "probe_host", lambda *_: looks.pop() if looks else why)
    now = SimpleNamespace(current_stage=stage.StateStage.Execute)
    host = SimpleNamespace(name="a", print_prefix="", noop=lambda text: None, state=now)
    monkeypatch.setattr(stage, "unwrap_host", lambda _: host)
    kernels = []

    def act(wanted: ReleaseTarget, state: HostFacts, options: HostOptions) -> Iterator[Any]:
        for number in range(2):
            kernels.append(stage.reprobe(wanted).kernel)
            yield RemoteJob(f"step {number}", "x", code="INTERNAL")

    todo = Stage("driver", lambda *_: ["something"], act)
    commands = list(todo.converge(wanted, HostOptions()))
    last = commands[-1]
    assert isinstance(last, FailHost) and last.failure == why and last.stage == "driver"
    assert all(kernels) and len(kernels) == seen - 1
    assert not any(isinstance(c, stage.Verify) for c in commands[: 2 if seen < 3 else 0])
