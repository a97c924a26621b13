"""Runs that mend hosts: written down before they begin, and never twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlufleet.journal.events import HostFailed
from mlufleet.journal.journal import Journal, new_run_id
from mlufleet.watch.decision import (
    DEFERRED,
    DONE,
    FAILED,
    HOLD_CHANGED,
    HOLD_DEFERRED,
    LOST,
    NONE,
    REFUSED,
    REPAIR_ALL,
    RESTART,
    RUNNING,
    Decision,
)
from mlufleet.watch.observation import SEEN
from mlufleet.watch.remediation.policy import Policy
from mlufleet.watch.remediation.remediator import RemediationSettings, Remediator
from mlufleet.watch.remediation.rung_process import KILL_LIMIT_S, STOP_LIMIT_S
from mlufleet.watch.service import Watch, WatchSettings
from mlufleet.watch.store import Store
from tests import snapshots
from tests.unit import PROJECT
from tests.unit.mlufleet.watch import fake_looks
from tests.unit.mlufleet.watch.remediation import stub
from tests.waiting import PATIENCE_S, until

DRIFT = {"container": ["start container a"]}
LOCKED: dict[str, Any] = {
    "stage": "lock",
    "code": "LOCKED",
    "sentence": "",
    "remedy": "",
    "tail": [],
}


def settings(folder: Path, grace_s: float = 60, **policy: int) -> RemediationSettings:
    command = (sys.executable, "-m", stub.__name__, str(folder))
    return RemediationSettings("hosts.py", Policy(**policy), command, grace_s)


class Fleet:
    """A fleet of one broken host, and who mends it."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.told: list[str] = []
        (folder / "status").write_text("0")
        self.mender = self.start()

    def start(self, grace_s: float = 60) -> Remediator:
        self.mender = Remediator(settings(self.folder, grace_s), self.store, self.told.append)
        self.mender.set_digests({"a": "d1"})
        return self.mender

    def look(self, *, is_right: bool = False, code: str = "DRIFT") -> None:
        """Take a turn after another look at the host."""
        now = time.time() + 1
        drift = {} if is_right else DRIFT
        last = replace(snapshots.look("a", now, drift=drift), began=now)
        state = snapshots.opened(code, "container", now - 3600, last_seen=now)
        host = snapshots.host("a", None if is_right else state, last=last)
        fleet = snapshots.snapshot(replace(host, remediate=REPAIR_ALL), started=0)
        self.mender.observe(last, fleet.hosts["a"].state)
        self.mender.take_turn(fleet)

    def end_run(self) -> Decision:
        def has_ended() -> bool:
            self.mender.poll()
            return not self.mender.is_busy

        until(has_ended)
        return self.store.list_decisions()[-1]

    @property
    def begun(self) -> list[str]:
        calls = stub.list_calls(self.folder)
        return [" ".join(one["words"]) for one in calls if one["what"] == "begun"]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    store = Store(tmp_path / "state")
    fleet = Fleet(tmp_path, store)
    yield fleet
    (tmp_path / "hold").unlink(missing_ok=True)
    fleet.mender.close()
    store.close()


def test_a_rung_is_a_run_that_two_looks_prove(fleet: Fleet) -> None:
    fleet.look()
    done = fleet.end_run()
    assert (done.rung, done.outcome, done.is_proved) == (RESTART, DONE, None)
    assert fleet.begun == ["deploy hosts.py --limit a --expect-digest=d1"]
    assert stub.list_calls(fleet.folder)[0]["why"].startswith("watch: restart: DRIFT container")
    fleet.look(is_right=True)
    assert fleet.store.list_decisions()[-1].is_proved is None
    fleet.look(is_right=True)
    proved = fleet.store.list_decisions()[-1]
    assert (proved.is_proved, proved.is_over) == (True, True)
    assert fleet.mender.totals == {(RESTART, DONE): 1}


def test_a_rung_that_does_not_help_is_followed_by_the_next(fleet: Fleet) -> None:
    (fleet.folder / "status").write_text("2")
    fleet.look()
    assert fleet.end_run().outcome == FAILED
    assert "the last words" in fleet.told[-1]
    fleet.look()
    fleet.look()
    fleet.end_run()
    assert fleet.begun[1:] == ["host reboot hosts.py a --expect-digest=d1"]


def test_a_run_that_a_killed_watch_left_is_waited_for_and_counts(fleet: Fleet) -> None:
    begun = replace(Decision(time.time() - 5, "a", RESTART, ""), outcome=RUNNING)
    fleet.store.add_decision(begun)
    fleet.start()
    fleet.look()  # within the time in which it takes its lock
    assert fleet.store.list_decisions()[-1].outcome == RUNNING
    fleet.start(grace_s=0)
    fleet.look()
    left = fleet.store.list_decisions()[-1]
    assert (left.outcome, left.is_proved) == (LOST, None)
    fleet.look()
    fleet.look()
    assert [one.rung for one in fleet.store.list_decisions()] == [RESTART, "reboot"]


def test_a_run_that_is_refused_is_no_try_and_is_not_begun_again_before_the_next_reading(
    fleet: Fleet,
) -> None:
    (fleet.folder / "status").write_text("3")
    fleet.look()
    assert fleet.end_run().outcome == REFUSED
    for _ in range(4):
        fleet.look()
    refused, held = fleet.store.list_decisions()
    assert (refused.rung, refused.is_proved) == (RESTART, None)
    assert held.rung == NONE and "the last words" in held.reason and "SIGHUP" in held.reason
    assert fleet.mender.holds == {"a": HOLD_CHANGED} and len(fleet.begun) == 1
    (fleet.folder / "status").write_text("0")
    fleet.mender.set_digests({"a": "d2"})
    fleet.look()
    assert fleet.end_run().rung == RESTART  # the lowest one still
    assert fleet.begun[1:] == ["deploy hosts.py --limit a --expect-digest=d2"]
    fleet.look(is_right=True)
    fleet.look(is_right=True)
    assert [one.is_proved for one in fleet.store.list_decisions()] == [None, None, True]


def test_a_run_that_finds_the_lock_of_another_watch_is_deferred(fleet: Fleet) -> None:
    (fleet.folder / "status").write_text("2")
    fleet.look()
    journal = Journal(Path("runs") / new_run_id())
    journal.append(HostFailed(host="a", time=time.time(), **LOCKED))
    assert fleet.end_run().outcome == DEFERRED
    for _ in range(3):
        fleet.look()
    assert fleet.mender.holds == {"a": HOLD_DEFERRED} and len(fleet.begun) == 1


def test_a_run_that_cannot_reach_the_host_is_deferred(fleet: Fleet) -> None:
    (fleet.folder / "status").write_text("4")
    fleet.look()
    assert fleet.end_run().outcome == DEFERRED


def test_a_run_that_does_not_end_is_stopped_and_then_killed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fleet.folder / "hold").touch()
    monkeypatch.setenv("STUB_IS_DEAF", "yes")
    fleet.look()
    until(lambda: fleet.begun)

    def stops_after(late_s: float) -> int:
        """Let so many seconds pass after the limit; how often it was asked to stop."""
        fleet.mender._processes["a"]._end = time.monotonic() - late_s
        fleet.mender.poll()
        return sum(one["what"] == "stopped" for one in stub.list_calls(fleet.folder))

    until(lambda: stops_after(1) == 1)
    until(lambda: stops_after(STOP_LIMIT_S + 1) == 2)
    assert fleet.mender.is_busy
    fleet.mender._processes["a"]._end = time.monotonic() - KILL_LIMIT_S - 1
    assert fleet.end_run().outcome == FAILED


def test_a_run_on_a_host_that_has_another_name_now_is_lost(fleet: Fleet) -> None:
    fleet.store.add_decision(
        replace(Decision(time.time() - 5, "former", RESTART, "", outcome=RUNNING))
    )
    fleet.start()
    (left,) = fleet.store.list_decisions()
    assert left.outcome == LOST and left.ended


def test_the_same_reason_is_written_once(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.look(code="CARD_DROPPED")
    (noted,) = fleet.store.list_decisions()
    assert (noted.rung, noted.host) == (NONE, "a") and "POWER_CYCLE" in noted.reason
    fleet.start()  # nor by the next watch
    fleet.look(code="CARD_DROPPED")
    assert fleet.store.list_decisions() == [noted]
    assert len(fleet.told) == 1


def test_what_cannot_be_written_down_is_not_done(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet.store, "add_decision", lambda decision: None)
    fleet.look()
    assert not fleet.mender.is_busy and fleet.begun == []
    assert "cannot be written down" in fleet.told[-1]


def main(folder: Path) -> int:
    store = Store(folder / "state")
    looks = [sys.executable, "-m", fake_looks.__name__, str(folder / "world")]
    mender = Remediator(settings(folder, grace_s=0.5, tries=6), store)
    try:
        return Watch(WatchSettings("hosts.py", 0.3, 90, looks), store, remediator=mender).run()
    finally:
        store.close()


def wait_for_looks(world: Path, count: int) -> None:
    before = len(fake_looks.list_looks(world))
    until(lambda: len(fake_looks.list_looks(world)) >= before + count)


def test_a_watch_that_is_killed_at_any_moment_runs_nothing_twice(fleet: Fleet) -> None:
    folder, chance = fleet.folder, random.Random(1)
    fleet.store.close()
    (folder / "hold").touch()
    kinds = snapshots.list_kinds(DRIFT)
    seen = {"one": {"outcome": SEEN, "drift": DRIFT, "kinds": kinds}}
    world = {"seen": seen, "modes": {"one": "repair"}}
    fake_looks.write_world(folder / "world", hosts={"one": []}, **world)
    command = [sys.executable, "-m", __name__, str(folder)]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)

    process = start()
    until(lambda: fleet.begun)
    for _ in range(2):
        process.kill()
        process.wait()
        process = start()
        wait_for_looks(folder / "world", chance.randint(0, 6))
    process.kill()
    process.wait()
    store = Store(folder / "state")
    runs = [one for one in store.list_decisions() if one.is_run]
    store.close()
    # a decision without a run is a kill between the two; a run without a decision is a fault
    assert len(fleet.begun) <= len(runs)
    rungs = [one.rung for one in runs]
    assert len(rungs) == len(set(rungs))
    assert len(fleet.begun) == len(set(fleet.begun))


def test_a_watch_that_ends_lets_a_run_end_its_step(fleet: Fleet) -> None:
    folder = fleet.folder
    fleet.store.close()
    (folder / "hold").touch()
    kinds = snapshots.list_kinds(DRIFT)
    seen = {"one": {"outcome": SEEN, "drift": DRIFT, "kinds": kinds}}
    fake_looks.write_world(folder / "world", hosts={"one": []}, seen=seen, modes={"one": "restart"})
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder)], stdin=subprocess.DEVNULL
    )
    until(lambda: fleet.begun)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert [one["what"] for one in stub.list_calls(folder)] == ["begun", "stopped"]
    store = Store(folder / "state")
    (run,) = (one for one in store.list_decisions() if one.is_run)
    store.close()
    # that is no word on whether it helps: it is not what a higher rung comes after
    assert (run.outcome, run.is_over) == (LOST, True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
