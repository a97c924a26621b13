"""When hosts are looked at, by a clock of the test's own."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from mlufleet.watch.schedule import (
    CONFIRM_SHARE,
    JITTER,
    Schedule,
    choose_round_interval,
    find_phase,
)

NAMES = [f"mlu{number:03d}" for number in range(300)]


def run(schedule: Schedule, until_s: int, takes_s: float = 1.0) -> dict[str, list[float]]:
    """When each host was looked at: looks take some time, and rounds come each second."""
    looks: dict[str, list[float]] = {name: [] for name in NAMES}
    ending: list[tuple[float, str]] = []
    for now in map(float, range(1000, 1000 + until_s)):
        for end, name in [pair for pair in ending if pair[0] <= now]:
            ending.remove((end, name))
            schedule.finish(name, now)
        for name in schedule.take_due(now):
            looks[name].append(now)
            ending.append((now + takes_s, name))
    return looks


@pytest.mark.parametrize("every_s", [60, 300])
def test_each_host_is_looked_at_in_its_interval_and_the_load_is_even(every_s: int) -> None:
    schedule = Schedule(every_s, lambda: 0.5)
    schedule.set_hosts(NAMES, 1000)
    looks = run(schedule, 6 * every_s)
    for times in looks.values():
        assert times[0] <= 1000 + 21
        gaps = [after - before for before, after in pairwise(times[1:])]
        assert len(gaps) >= 3
        assert all(abs(gap - every_s) <= 2 * JITTER * every_s + 2 for gap in gaps)
    later = [at for times in looks.values() for at in times[2:]]
    busiest = max(later.count(at) for at in set(later))
    assert busiest <= 4 * max(1, 300 / every_s)


def test_no_host_is_looked_at_twice_at_once() -> None:
    schedule = Schedule(60)
    schedule.set_hosts(["one"], 0)
    assert schedule.take_due(30) == ["one"]
    assert schedule.take_due(1000) == []
    schedule.finish("one", 1000)
    assert schedule.take_due(999 - 60 * JITTER) == []
    assert schedule.take_due(1061 + 60 * JITTER) == ["one"]


def test_a_look_that_came_to_nothing_is_repeated_soon() -> None:
    schedule = Schedule(300)
    schedule.set_hosts(["one"], 0)
    schedule.take_due(30)
    schedule.finish("one", 31, again_in=1)
    assert schedule.take_due(31.9) == []
    assert schedule.take_due(32) == ["one"]


def test_what_is_new_is_confirmed_within_a_minute() -> None:
    schedule = Schedule(300, lambda: 1)
    schedule.set_hosts(["one"], 0)
    schedule.take_due(30)
    schedule.finish("one", 31, confirms=True)
    assert schedule.take_due(31 + 59) == []
    assert schedule.take_due(31 + 62) == ["one"]
    schedule.finish("one", 94)
    assert schedule.take_due(94 + 149) == []  # and then at its own times again
    assert schedule.take_due(94 + 460) == ["one"]


def test_an_interval_of_a_minute_stays_as_it_is() -> None:
    for confirms in (False, True):
        schedule = Schedule(60, lambda: 0)
        schedule.set_hosts(["one"], 0)
        schedule.take_due(60)
        schedule.finish("one", 61, confirms=confirms)
        first = next(now for now in range(61, 300) if schedule.take_due(now))
        assert first <= 61 + 60 + 1 if confirms else first <= 61 + 90


@pytest.mark.parametrize("every_s", [120, 300, 3600])
def test_a_fleet_that_breaks_as_a_whole_does_not_double_the_load(every_s: int) -> None:
    def count(*, confirms: bool) -> list[int]:
        """Looks of each minute after the first pass; all look broken for the first time in it."""
        schedule, seen, looks = Schedule(every_s, lambda: 0.5), set[str](), list[float]()
        schedule.set_hosts(NAMES, 0)
        for now in range(0, 2 * every_s, min(every_s // 60, 10)):
            for name in schedule.take_due(now):
                looks.append(now)
                schedule.finish(name, now, confirms=confirms and name not in seen)
                seen.add(name)
        return [sum(60 * m <= at < 60 * (m + 1) for at in looks) for m in range(every_s // 30)]

    broken, right = count(confirms=True), count(confirms=False)
    share = math.ceil(len(NAMES) * CONFIRM_SHARE)
    assert all(many <= few + share + 1 for many, few in zip(broken[1:], right[1:], strict=True))
    assert sum(broken[1:]) <= sum(right[1:]) + len(NAMES)
    if every_s > 300:  # one after the other, long before their own times
        assert all(share - 1 <= many for many in broken[1:10])


def test_a_new_inventory_keeps_the_turns_of_its_hosts() -> None:
    schedule = Schedule(60)
    schedule.set_hosts(["one", "two"], 0)
    assert set(schedule.take_due(30)) == {"one", "two"}
    schedule.set_hosts(["two", "three"], 31)
    schedule.finish("one", 32)  # of which nothing is known any more
    assert schedule.take_due(60) == ["three"]  # two is still being looked at


def test_a_round_is_bounded_and_takes_who_waits_longest() -> None:
    schedule = Schedule(60)
    schedule.set_hosts(NAMES, 0)
    first = schedule.take_due(30, limit=10)
    phases = sorted(map(find_phase, NAMES))
    assert [find_phase(name) for name in first] == phases[:10]


def test_rounds_are_neither_rare_nor_frequent() -> None:
    assert [choose_round_interval(every) for every in (10, 60, 300, 86400)] == [1, 2, 10, 10]
