"""Which run has worked on a host since the last look: its reboot is no event of the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlufleet.journal import journal
from mlufleet.journal.events import StageStarted
from mlufleet.watch.observation import BUSY, SEEN, Observation
from mlufleet.watch.problems import HostState
from mlufleet.watch.recent_runs import find_run
from mlufleet.watch.snapshot import HostSnapshot

RUN = "20260314-091502-000000001"
LOCK = {"run": RUN, "operator": "a@b", "since": "", "lease": 20, "why": "deploy", "age": 3}


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """When a run has worked on the host `one`."""
    monkeypatch.setattr(journal, "RUNS", tmp_path / "runs")
    event = StageStarted(host="one", stage="driver")
    journal.Journal(tmp_path / "runs" / RUN).append(event)
    *_, found = journal.iterate_events(tmp_path / "runs" / RUN)
    return found.time


def known(name: str, probed: float, last: Observation | None = None) -> HostSnapshot:
    return HostSnapshot(name, (), HostState(boot_id="a", last_probed=probed), last, last)


def seen(name: str, boot: str, outcome: str = SEEN, **facts: object) -> Observation:
    return Observation(name, 0, 1, outcome, boot_id=boot, facts={"versions": {}, **facts})


def test_a_run_that_worked_on_the_host_since(changed: float) -> None:
    assert find_run(known("one", changed - 10), seen("one", "b")) == RUN
    assert find_run(known("one", changed + 10), seen("one", "b")) == ""
    assert find_run(known("two", changed - 10), seen("two", "b")) == ""
    assert find_run(known("one", changed - 10), seen("one", "a")) == ""  # nothing to explain


def test_a_run_that_holds_the_lock_or_held_it_at_the_last_look(changed: float) -> None:
    busy = seen("two", "b", BUSY, lock=LOCK)
    assert find_run(known("two", changed), busy) == RUN
    assert find_run(known("two", changed, busy), seen("two", "c")) == RUN
    dead = seen("two", "b", lock={**LOCK, "age": 21})
    assert find_run(known("two", changed), dead) == ""
