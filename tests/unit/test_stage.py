"""How a stage carries a host, and what it does where the host cannot be looked at any more."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.errors import Failure
from fleet.release.target import Wanted
from operations import stage
from operations.host.facts import HostState
from operations.host.job import Step
from operations.stage import Options, Refusal, Stage
from tests.unit.conftest import BARE, probe


@pytest.mark.parametrize("seen", [1, 2, 3])
def test_a_look_that_fails_in_the_middle_of_an_act_ends_it_for_that_host(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    """After so many looks there is none: nothing is planned for a host without a kernel."""
    why = Failure("PROBE_FAILED", "the probe's output has no end")
    looks: list[HostState | Failure] = [probe(*BARE)] * seen
    monkeypatch.setattr(stage, "observe", lambda *_: looks.pop() if looks else why)
    now = SimpleNamespace(current_stage=stage.StateStage.Execute)
    host = SimpleNamespace(name="a", print_prefix="", noop=lambda text: None, state=now)
    monkeypatch.setattr(stage, "real", lambda _: host)
    monkeypatch.setattr(stage.events, "emit", lambda *_, **__: None)
    kernels = []

    def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[Any]:
        for number in range(2):
            kernels.append(stage.again(wanted).kernel)
            yield Step(f"step {number}", "x", code="INTERNAL")

    todo = Stage("driver", lambda *_: ["something"], act)
    commands = list(todo.carry(wanted, Options()))
    last = commands[-1]
    assert isinstance(last, Refusal) and last.failure == why and last.stage == "driver"
    assert all(kernels) and len(kernels) == seen - 1
    assert not any(isinstance(c, stage.Proof) for c in commands[: 2 if seen < 3 else 0])
