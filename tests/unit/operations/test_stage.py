"""How a stage converges a host, and what it does once the host cannot be probed any more."""

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
from operations.stage import Action, Decision, FailHost, HostSpec, HostStage, Plan, Reprobe
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import as_spec


@pytest.mark.parametrize("probes", [1, 2, 3])
def test_a_probe_that_fails_in_the_middle_of_an_action_ends_it_for_that_host(
    wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch, probes: int
) -> None:
    """After so many probes there is none: nothing is planned for a host without a kernel."""
    why = Failure("PROBE_FAILED", "the probe's output has no end")
    left: list[HostFacts | Failure] = [probe(*BARE)] * probes
    monkeypatch.setattr(stage, "probe_host", lambda *_: left.pop() if left else why)
    now = SimpleNamespace(current_stage=stage.StateStage.Execute)
    host = SimpleNamespace(name="a", print_prefix="", noop=lambda text: None, state=now)
    monkeypatch.setattr(stage, "unwrap_host", lambda _: host)
    kernels = []

    def run_jobs(reprobe: Reprobe) -> Iterator[Any]:
        for number in range(2):
            kernels.append(reprobe().kernel)
            yield RemoteJob(f"job {number}", "x", code="INTERNAL")

    def decide(spec: HostSpec, facts: HostFacts) -> Decision:
        return Plan((Action(("something",), run_jobs),))

    spec = as_spec(wanted)
    commands = list(HostStage("driver", decide).bind(spec.target).converge(spec))
    last = commands[-1]
    assert isinstance(last, FailHost) and last.failure == why and last.stage == "driver"
    assert all(kernels) and len(kernels) == probes - 1
    assert not any(isinstance(c, stage.Verify) for c in commands[: 2 if probes < 3 else 0])
