"""What becomes of a host that does not answer when the work on it is to be verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.errors import Failure
from mlufleet.rollout import host_rollout, retirement
from mlufleet.rollout.host_rollout import Deployment
from mlufleet.rollout.plan import Plan
from mlufleet.rollout.retirement import Retirement
from operations.stages import PROBE_STAGE, Drift


class FakeSession:
    """A session of one host on which everything can be done, and what is found there then."""

    def __init__(self, drift: Drift) -> None:
        self.failures: dict[str, Failure] = {}
        self.run = SimpleNamespace(failures=self.failures, has_failed=self.failures.__contains__)
        facts = drift.get(PROBE_STAGE, SimpleNamespace())
        self.probed = SimpleNamespace(drift=drift, facts=facts)
        self.deployed: list[Any] = []

    @contextmanager
    def connected(self, host: Any) -> Iterator[bool]:
        yield True

    def deploy(self, host: Any) -> bool:
        self.deployed.append(host.data.release)
        self.failures.clear()
        return True

    def assess(self, host: Any) -> Any:
        return self.probed


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    def fail(host: Any, failure: Failure, stage: str) -> bool:
        host.session.failures[host.name] = failure
        host.stages.append(stage)
        return False

    monkeypatch.setattr(host_rollout, "fail_host", fail)
    monkeypatch.setattr(host_rollout, "emit_event", lambda *_, **__: None)
    monkeypatch.setattr(retirement, "emit_event", lambda *_, **__: None)
    data = SimpleNamespace(get=lambda key: "new.yml", release="new.yml")
    return SimpleNamespace(name="a", data=data, print_prefix="", stages=[])


def start(host: Any, drift: Drift) -> Any:
    host.session = FakeSession(drift)
    return host.session


@pytest.mark.parametrize(
    ("drift", "code", "rolls_back"),
    [
        ({PROBE_STAGE: Failure("CONNECTION_LOST", "reset")}, "CONNECTION_LOST", False),
        ({PROBE_STAGE: Failure("UNREACHABLE", "reset")}, "UNREACHABLE", False),
        ({PROBE_STAGE: Failure("PROBE_FAILED", "garbage")}, "PROBE_FAILED", True),
        ({"preflight": Failure("CARD_DROPPED", "0000:01:00.0")}, "NOT_PROVED", True),
        ({"engine": ["start docker"]}, "NOT_PROVED", True),
    ],
)
def test_a_probe_that_fails_keeps_its_code_and_a_lost_host_is_left_alone(
    host: Any, drift: Drift, code: str, rolls_back: bool
) -> None:
    session = start(host, drift)
    rollout = Deployment(session, Plan(inventory="hosts.py"))
    rollout.modified_hosts.add("a")
    rollout.rollback_targets["a"] = ({"release": "old.yml", "releases": None}, "")
    rollout.apply(host)
    assert host.stages[0] == next(iter(drift))
    assert session.deployed == ["new.yml", *["old.yml"] * rolls_back]
    last = session.failures["a"]
    if rolls_back:
        assert last.code == "ROLLBACK" and last.tail[0].startswith(f"{code}: ")
    else:
        assert last.code == code and last.detail == "over a fresh connection: reset"


@pytest.mark.parametrize("is_probed", [True, False])
def test_a_retired_host_that_does_not_answer_is_not_said_to_have_something_left(
    host: Any, is_probed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = Failure("PROBE_FAILED", "no end")
    session = start(host, {} if is_probed else {PROBE_STAGE: failure})
    monkeypatch.setattr(retirement.retiring, "assess", lambda *_: failure)
    session.hosts = [host]
    rollout = Retirement(session, Plan(inventory="hosts.py"))
    rollout.specs["a"] = SimpleNamespace()  # type: ignore[assignment]
    assert not rollout.verify(host)
    assert session.failures["a"].code == "PROBE_FAILED" and host.stages == [PROBE_STAGE]
