"""A host is started also while the engine still holds the port of the one before it."""

from __future__ import annotations

import pytest

from tests.lab import engine, machine
from tests.lab.steps import LabError


@pytest.mark.parametrize(
    ("refusals", "starts"),
    [
        ([], 1),
        (["Bind for 127.0.0.1:2216 failed: port is already allocated"] * 2, 3),
    ],
)
def test_a_port_that_is_given_back_late_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, refusals: list[str], starts: int
) -> None:
    called: list[tuple[str, ...]] = []

    def docker(*words: str) -> str:
        called.append(words)
        if refusals:
            raise LabError(refusals.pop())
        return ""

    monkeypatch.setattr(engine, "docker", docker)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    machine.start("host")
    assert called == [("start", "host")] * starts


@pytest.mark.parametrize("why", ["no such container", machine.PORT_IN_USE])
def test_any_other_refusal_and_a_port_that_stays_in_use_are_errors(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def docker(*words: str) -> str:
        raise LabError(why)

    monkeypatch.setattr(engine, "docker", docker)
    monkeypatch.setattr(machine, "PATIENCE_S", -1)
    with pytest.raises(LabError, match=why):
        machine.start("host")
