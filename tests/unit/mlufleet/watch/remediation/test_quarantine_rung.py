"""The last rung: a host is marked once, its hook runs once, and only people end that."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet import quarantine
from fleet.documents import file_lock
from fleet.quarantine import WATCH, Quarantine
from mlufleet.rollout.host_count import HostCount
from mlufleet.watch.decision import (
    DONE,
    FAILED,
    HOLD_QUARANTINED,
    HOLD_STORE,
    HOOK,
    LOST,
    NONE,
    QUARANTINE,
    REFUSED,
    REPAIR_ALL,
    RESTART,
    RUNNING,
    UNMARKED,
    Decision,
)
from mlufleet.watch.remediation.policy import Policy
from mlufleet.watch.remediation.quarantine_rung import Hook, QuarantineRung
from mlufleet.watch.remediation.remediator import RemediationSettings, Remediator
from mlufleet.watch.store import Store
from tests import snapshots
from tests.unit import PROJECT
from tests.unit.mlufleet.watch.remediation import stub
from tests.waiting import until

FILE = Path(quarantine.FILE_NAME)
DEAD = Quarantine.begin("kang@ops", "cards drop", "CARD_DROPPED", 0)


class Fleet:
    """A host with a card that has dropped, and who takes it out of service."""

    def __init__(self, folder: Path, hook: Hook | None = None) -> None:
        self.folder, self.hook = folder, hook
        self.store = Store(folder / "state")
        self.told: list[str] = []
        (folder / "status").write_text("0")
        self.mender = self.start()

    def start(self) -> Remediator:
        command = (sys.executable, "-m", stub.__name__, str(self.folder))
        policy = Policy(quarantine_at_most=HostCount(1))
        settings = RemediationSettings("hosts.py", policy, command, hook=self.hook)
        self.mender = Remediator(settings, self.store, self.told.append)
        return self.mender

    def look(self, *, code: str = "CARD_DROPPED", is_right: bool = False) -> None:
        """Take a turn after another look at the host."""
        now = time.time() + 1
        drift = {} if is_right else {"container": ["start container a"]}
        facts = snapshots.facts(endpoints=[])
        last = replace(snapshots.look("a", now, drift=drift, facts=facts), began=now)
        state = None if is_right else snapshots.opened(code, "", now - 3600, last_seen=now)
        host = replace(snapshots.host("a", state, last=last), remediate=REPAIR_ALL)
        self.mender.marks.refresh()
        fleet = snapshots.snapshot(
            replace(host, quarantine=self.mender.marks.hosts.get("a")), started=0
        )
        self.mender.observe(last, host.state)
        self.mender.take_turn(fleet)

    def decisions(self) -> list[tuple[str, str]]:
        return [(one.rung, one.outcome) for one in self.store.list_decisions()]

    def end_hook(self) -> None:
        def has_ended() -> bool:
            self.mender.poll()
            return not self.mender.is_busy

        until(has_ended)

    @property
    def begun(self) -> list[str]:
        calls = stub.list_calls(self.folder)
        return [" ".join(one["words"]) for one in calls if one["what"] == "begun"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    return tmp_path


@pytest.fixture
def fleet(folder: Path) -> Iterator[Fleet]:
    fleet = Fleet(folder)
    yield fleet
    fleet.mender.close()
    fleet.store.close()


@pytest.fixture
def hooked(folder: Path) -> Iterator[Fleet]:
    fleet = Fleet(folder, Hook("true", 5))
    yield fleet
    (folder / "hold").unlink(missing_ok=True)
    fleet.mender.close()
    fleet.store.close()


def test_a_host_is_marked_once_and_people_end_that(fleet: Fleet) -> None:
    fleet.look()
    marks = quarantine.load(FILE)
    assert (marks["a"].by, marks["a"].code) == (WATCH, "CARD_DROPPED")
    assert "POWER_CYCLE is suggested" in marks["a"].reason
    fleet.look()
    fleet.start()
    fleet.look()
    assert fleet.decisions() == [(QUARANTINE, DONE), (NONE, "")]
    assert fleet.mender.holds == {"a": HOLD_QUARANTINED}
    assert quarantine.load(FILE) == marks and fleet.begun == []
    # that it is right again ends no quarantine
    fleet.look(is_right=True)
    fleet.look(is_right=True)
    assert quarantine.load(FILE) == marks
    quarantine.remove(FILE, ["a"])
    fleet.look()
    assert fleet.decisions()[2:] == [(QUARANTINE, DONE)]
    assert len(fleet.told) == 3


def test_a_host_that_was_put_back_begins_with_the_lowest_rung(fleet: Fleet) -> None:
    past = Decision(time.time() - 900, "a", RESTART, "", ended=time.time() - 800, outcome=FAILED)
    fleet.store.add_decision(replace(past, is_proved=False))
    fleet.start()
    quarantine.add(FILE, {"a": DEAD})  # by a person, as it did not help
    fleet.look(code="DRIFT")
    assert fleet.decisions()[1:] == [(NONE, "")]
    quarantine.remove(FILE, ["a"])
    fleet.look(code="DRIFT")
    assert fleet.decisions()[2:] == [(RESTART, RUNNING)]
    assert fleet.store.list_decisions()[0].is_over


def test_the_hook_runs_once_with_its_command_in_no_list_of_processes(hooked: Fleet) -> None:
    hooked.look()
    assert hooked.decisions() == [(QUARANTINE, HOOK)] and quarantine.load(FILE)
    hooked.end_hook()
    assert hooked.decisions() == [(QUARANTINE, DONE)]
    assert hooked.begun == ["host quarantine-hook hosts.py a"]
    hooked.look()
    hooked.start()
    hooked.look()
    assert len(hooked.begun) == 1


def test_a_hook_that_fails_is_told_and_the_mark_stays(hooked: Fleet) -> None:
    (hooked.folder / "status").write_text("2")
    hooked.look()
    hooked.end_hook()
    assert hooked.decisions() == [(QUARANTINE, FAILED)] and quarantine.load(FILE)
    assert "hook ended with status 2: the last words" in hooked.told[-1]


def test_a_hook_that_a_killed_watch_left_is_told_as_lost(hooked: Fleet) -> None:
    (hooked.folder / "hold").touch()
    hooked.look()
    until(lambda: hooked.begun)
    hooked.start()
    hooked.look()
    assert hooked.decisions()[0] == (QUARANTINE, LOST)
    assert "its end is not known" in hooked.told[-2]
    assert len(hooked.begun) == 1


def test_no_hook_begins_before_that_is_written(
    hooked: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = hooked.store.update_decision
    monkeypatch.setattr(hooked.store, "update_decision", lambda decision: False)
    hooked.look()
    hooked.mender.poll()
    assert quarantine.load(FILE) and not hooked.mender.is_busy and hooked.begun == []
    monkeypatch.setattr(hooked.store, "update_decision", write)
    hooked.mender.poll()
    hooked.end_hook()
    assert hooked.decisions() == [(QUARANTINE, DONE)] and len(hooked.begun) == 1


def test_a_mark_of_somebody_else_is_kept_and_is_theirs_to_tell(hooked: Fleet) -> None:
    monkeypatched = hooked.mender.marks
    quarantine.add(FILE, {"a": DEAD})
    monkeypatched.hosts = {}  # it came between two readings
    decision = Decision(time.time(), "a", QUARANTINE, "x", ("CARD_DROPPED",), outcome=RUNNING)
    rung = QuarantineRung(monkeypatched, "hosts.py", ("false",), Hook("true", 5))
    after, _ = rung.go_on(decision, time.time())
    assert after.outcome == DONE and quarantine.load(FILE) == {"a": DEAD}


def test_what_cannot_be_marked_is_told_and_not_tried_again_and_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    FILE.write_text("hosts: nobody")
    fleet.look()
    assert fleet.decisions() == [(NONE, "")] and fleet.mender.holds == {"a": HOLD_STORE}
    assert "quarantine.yml:1" in fleet.told[-1]
    FILE.unlink()
    monkeypatch.setattr(file_lock, "TIMEOUT_S", 0.05)
    with file_lock.hold_file(FILE):
        for _ in range(3):
            fleet.look()
    assert fleet.decisions()[1:] == [(QUARANTINE, UNMARKED), (NONE, "")]
    fleet.mender.set_digests({})
    fleet.look()
    assert fleet.decisions()[-1] == (QUARANTINE, DONE)


def test_a_file_that_cannot_be_read_puts_no_host_back_into_service(fleet: Fleet) -> None:
    fleet.look()
    text = FILE.read_text()
    FILE.write_text("hosts: nobody")  # while the watch is down
    fleet.start()
    fleet.look(code="DRIFT")
    assert not fleet.store.list_decisions()[0].is_over
    FILE.write_text(text)
    fleet.look(code="DRIFT")
    assert fleet.mender.holds == {"a": HOLD_QUARANTINED}
    assert not fleet.store.list_decisions()[0].is_over


def test_no_run_begins_that_would_find_the_file_to_be_invalid(fleet: Fleet) -> None:
    FILE.write_text("hosts: nobody")
    fleet.look(code="DRIFT")
    assert fleet.decisions() == [(NONE, "")] and fleet.mender.holds == {"a": HOLD_STORE}
    assert "quarantine.yml:1" in fleet.told[-1] and fleet.begun == []
    FILE.unlink()
    fleet.look(code="DRIFT")
    assert fleet.decisions()[1:] == [(RESTART, RUNNING)]


def test_a_run_that_met_a_new_mark_is_begun_again_once_that_is_gone(fleet: Fleet) -> None:
    fleet.mender.set_digests({"a": "as read"})
    (fleet.folder / "status").write_text("3")  # its input is invalid: no host is left
    fleet.look(code="DRIFT")
    fleet.end_hook()
    quarantine.add(FILE, {"a": DEAD})
    fleet.look(code="DRIFT")
    assert fleet.mender.holds == {"a": HOLD_QUARANTINED}
    quarantine.remove(FILE, ["a"])
    fleet.look(code="DRIFT")
    assert [one for one in fleet.decisions() if one[0] == RESTART] == [
        (RESTART, REFUSED),
        (RESTART, RUNNING),
    ]


def test_a_change_of_rights_lets_the_file_be_read_again(fleet: Fleet) -> None:
    quarantine.add(FILE, {"a": DEAD})
    assert fleet.mender.marks.refresh() and not fleet.mender.marks.refresh()
    FILE.chmod(0o640)
    assert fleet.mender.marks.refresh()


def test_a_watch_that_is_killed_anywhere_marks_and_runs_the_hook_at_most_once(
    folder: Path,
) -> None:
    """The process ends at each of its steps in turn: before and after each write."""
    for step in range(8):
        site = folder / str(step)
        site.mkdir()
        child = os.fork()
        if child == 0:
            os.chdir(site)
            _die_at(step)
            fleet = Fleet(site, Hook("true", 5))
            fleet.look()
            fleet.end_hook()
            os._exit(0)
        os.waitpid(child, 0)
        os.chdir(site)
        fleet = Fleet(site, Hook("true", 5))
        for _ in range(2):
            fleet.look()
            fleet.end_hook()
        assert list(quarantine.load(FILE)) == ["a"], step
        outcomes = [outcome for rung, outcome in fleet.decisions() if rung == QUARANTINE]
        assert outcomes in ([DONE], [LOST]), step
        assert len(fleet.begun) <= 1 and (outcomes == [LOST] or fleet.begun), step
        fleet.mender.close()
        fleet.store.close()
    os.chdir(folder)


def _die_at(step: int) -> None:
    """Have this process killed at a step of a quarantine."""
    left = [step]

    def count(function: Callable[..., object]) -> Callable[..., object]:
        def call(*words: object, **named: object) -> object:
            for when in (0, 1):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                if not when:
                    result = function(*words, **named)
            return result

        return call

    patch = pytest.MonkeyPatch()  # never undone: the process ends
    for owner, name in (
        (Store, "add_decision"),
        (Store, "update_decision"),
        (quarantine, "add"),
        (QuarantineRung, "begin_hook"),
    ):
        patch.setattr(owner, name, count(getattr(owner, name)))
