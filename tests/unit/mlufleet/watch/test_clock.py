"""A watch whose machine has a wrong clock: what it keeps, tells and mends all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mlufleet.watch import clock, tracking
from mlufleet.watch.clock import DOUBT_S, WatchClock
from mlufleet.watch.decision import LOST, REPAIR_ALL, RESTART, RUNNING, Decision
from mlufleet.watch.fleet_memory import FleetMemory
from mlufleet.watch.problems import Change, HostState
from mlufleet.watch.remediation.remediator import RemediationSettings, Remediator
from mlufleet.watch.store import Store
from tests.unit.mlufleet.watch.looks import look

NOW, DAY = 1_795_515_300.0, 86400.0
FAR = NOW + 3650 * DAY
PAST = 60.0
#: seconds between two looks
EVERY_S = 600.0
BAD = {"drift": {"container": ["start container a"]}}


@dataclass
class Machine:
    """A machine whose clock can be set."""

    wall: float = NOW
    steady: float = 1000.0

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def start(self, newest: float = 0.0, doubt_s: float = DOUBT_S) -> WatchClock:
        return WatchClock(newest, doubt_s, lambda: self.wall, lambda: self.steady)


def test_a_clock_that_is_set_a_little_is_followed_at_once() -> None:
    machine = Machine()
    watch = machine.start()
    for step in (-clock.JUMP_S + 1, 1.0, -5.0, clock.JUMP_S - 1):
        machine.wall += step
        assert watch.now() == machine.wall
    assert watch.take_notes() == [] and watch.take_step_back() == 0


@pytest.mark.parametrize("jump_s", [3650 * DAY, 2 * DAY, -30 * DAY])
def test_a_jump_is_believed_when_it_lasts(jump_s: float) -> None:
    machine = Machine()
    watch = machine.start(NOW - 60)
    machine.wall += jump_s
    for _ in range(11):
        machine.wait(DOUBT_S / 12)
        assert watch.now() == machine.wall - jump_s
    assert len(watch.take_notes()) == 1
    machine.wait(DOUBT_S)
    assert watch.now() == machine.wall and len(watch.take_notes()) == 1
    assert watch.take_step_back() == max(0.0, -jump_s)


def test_a_jump_that_is_undone_was_none() -> None:
    machine = Machine()
    watch = machine.start()
    for _ in range(5):
        machine.wall += 3650 * DAY
        machine.wait(DOUBT_S / 2)
        assert watch.now() == machine.wall - 3650 * DAY
        machine.wall -= 3650 * DAY
        machine.wait(DOUBT_S / 2)
        assert watch.now() == machine.wall
    assert watch.take_step_back() == 0


@pytest.mark.parametrize("doubt_s", [0.0, DOUBT_S])
def test_an_empty_battery_goes_on_from_what_was_recorded_until_the_clock_is_set(
    doubt_s: float,
) -> None:
    machine = Machine(wall=PAST)
    watch = machine.start(NOW, doubt_s)
    machine.wait(30 * DAY)  # nobody sets it for long
    assert watch.now() == NOW + 30 * DAY
    machine.wall = NOW + 40 * DAY
    assert watch.now() == machine.wall
    # and with nothing recorded
    assert Machine(wall=PAST).start(0, doubt_s).now() == clock.WRITTEN


def test_a_clock_that_was_ahead_at_the_start_is_set_back_at_once() -> None:
    machine = Machine(wall=FAR)
    watch = machine.start(NOW - 60)
    assert watch.now() == FAR
    machine.wall = NOW
    assert watch.now() == NOW and watch.take_step_back() == FAR - NOW


def test_times_of_a_look_are_those_of_the_watch() -> None:
    machine = Machine()
    watch = machine.start()
    seen = look(NOW - 1)
    assert watch.place(seen) == seen
    machine.wall = FAR
    assert watch.place(look(FAR - 1)).ended == NOW - 1
    across = watch.place(replace(look(FAR), began=NOW - 3))  # set while it looked
    assert across.began == across.ended == NOW


class Fleet:
    """A watch over one host, with a clock that can be set, and none of its processes."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.machine = machine
        self.told: list[Change] = []
        self.store = Store(folder)
        self.start()

    def start(self) -> None:
        """As a watch that was started again."""
        states = self.store.load_states()
        newest = max((one.last_look or 0 for one in states.values()), default=0.0)
        self.clock = self.machine.start(newest)
        observations = self.store.load_observations()
        self.memory = FleetMemory("hosts.py", EVERY_S, states, observations, self.clock.now)
        self.memory.set_hosts({"a": []}, {"a": REPAIR_ALL})
        settings = RemediationSettings("hosts.py", command=("/bin/false",), lock_grace_s=0)
        self.mender = Remediator(settings, self.store, lambda _: None, self.clock)

    @property
    def state(self) -> HostState:
        host = self.memory.find_host("a")
        assert host
        return host.state

    def look(self, *, is_right: bool = True) -> None:
        """What the watch does in a turn with a look."""
        self.machine.wait(EVERY_S)
        now = self.clock.now()
        if ahead_s := self.clock.take_step_back():
            self.memory.set_back(now, ahead_s)
            self.mender.set_back(now, ahead_s)
        at = self.machine.wall
        seen = self.clock.place(look(at) if is_right else look(at, **BAD))
        state, changes = tracking.track(self.state, seen)
        self.store.record(seen, state, changes)
        self.memory.record(seen, state)
        self.mender.observe(seen, state)
        self.told += [one for one in changes if one.kind != "health"]


@pytest.fixture
def make(tmp_path: Path) -> Callable[[Machine], Fleet]:
    return lambda machine: Fleet(tmp_path / "state", machine)


@pytest.mark.parametrize("minutes", [20, 180])
@pytest.mark.parametrize("jump_s", [FAR - NOW, PAST - NOW, -40 * DAY])
@pytest.mark.parametrize("starts", [False, True])
def test_a_wrong_clock_changes_nothing_of_a_host(
    make: Callable[[Machine], Fleet], minutes: int, jump_s: float, starts: bool
) -> None:
    machine = Machine()
    fleet = make(machine)
    for number in range(6):
        fleet.look(is_right=number < 2)
    (before,) = fleet.state.open_problems
    machine.wall += jump_s
    if starts:
        fleet.start()
    for _ in range(minutes // 10):
        fleet.look(is_right=False)
    fleet.store.prune(fleet.clock.now(), 90 * DAY)
    machine.wall -= jump_s
    if starts:
        fleet.start()
    for _ in range(12):
        fleet.look(is_right=False)
    assert [one.kind for one in fleet.told] == ["opened"]
    (tracked,) = fleet.state.open_problems
    assert not tracked.is_flapping and before.opened
    # one that was behind for long enough to be believed has left its distance
    is_believed = jump_s == -40 * DAY and minutes * 60 > DOUBT_S
    assert tracked.opened == before.opened + (jump_s if is_believed else 0)
    assert fleet.clock.now() == machine.wall
    fleet.store.prune(machine.wall, 90 * DAY)
    assert sum(one.count for one in fleet.store.list_looks()) == 18 + minutes // 10


def test_what_was_decided_by_a_clock_that_was_ahead_holds_nothing_up(
    make: Callable[[Machine], Fleet],
) -> None:
    machine = Machine()
    fleet = make(machine)
    for _ in range(3):
        fleet.look(is_right=False)
    machine.wall = FAR
    fleet.start()
    left = fleet.store.add_decision(Decision(FAR, "a", RESTART, "", outcome=RUNNING))
    assert left
    fleet.start()
    machine.wall = NOW + 2 * EVERY_S
    for _ in range(int(DOUBT_S // EVERY_S) + 8):
        fleet.look(is_right=False)
    (settled,) = fleet.store.list_decisions()
    assert (settled.outcome, settled.is_proved) == (LOST, False)
    assert settled.time <= fleet.clock.now() - 4 * EVERY_S
    fleet.mender.take_turn(fleet.memory.take_snapshot())
    assert len(fleet.store.list_decisions()) == 2  # the next rung
    fleet.mender.close()
