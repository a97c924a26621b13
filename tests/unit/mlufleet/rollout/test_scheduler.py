"""A whole rollout on paper: hosts that end in any order, in any way."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from mlufleet.rollout.scheduler import Scheduler

ENDS = ("passed", "broken", "left")


@dataclass
class Told:
    """What a rollout on paper did, in order."""

    scheduler: Scheduler
    started: list[str] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)


@st.composite
def rollouts(draw: st.DrawFn) -> Told:
    count = draw(st.integers(0, 60))
    hosts = [f"h{i}" for i in range(count)]
    canaries = hosts[: draw(st.integers(0, 4))]
    groups = {host: draw(st.sampled_from("abc")) for host in hosts if draw(st.booleans())}
    scheduler = Scheduler(
        hosts,
        canaries=canaries,
        window=draw(st.integers(1, 12)),
        max_fail=draw(st.integers(0, 8)),
        broken=draw(st.integers(0, 2)),
        groups=groups,
        share={group: draw(st.integers(1, 5)) for group in "abc"},
    )
    told = Told(scheduler)
    bad = draw(st.integers(0, 10))
    while not scheduler.is_done:
        while (host := scheduler.next_host()) is not None:
            if canaries and host not in canaries:
                assert all(told.ended.get(canary) == "passed" for canary in canaries)
            scheduler.mark_started(host)
            told.started.append(host)
            assert len(scheduler.running) <= scheduler.window
            for group, most in scheduler.share.items():
                assert sum(groups.get(name) == group for name in scheduler.running) <= most
        assert scheduler.running, "nothing runs, nothing starts, and it is not done"
        host = draw(st.sampled_from(sorted(scheduler.running)))
        end = draw(st.sampled_from(ENDS)) if draw(st.integers(0, 9)) < bad else "passed"
        before = scheduler.broken
        scheduler.mark_ended(host, passed=end == "passed", broken=end == "broken")
        told.ended[host] = end
        assert scheduler.broken == before + (end == "broken")
        if draw(st.integers(0, 99)) == 0:
            scheduler.stop("interrupted")
    return told


@given(rollouts())
def test_every_host_is_started_once_or_waits_and_is_accounted_for(told: Told) -> None:
    scheduler = told.scheduler
    assert len(set(told.started)) == len(told.started)
    assert set(told.ended) == set(told.started)
    assert not set(scheduler.waiting) & set(told.started)
    assert bool(scheduler.stopped) or not scheduler.waiting


@given(rollouts())
def test_it_stops_for_a_reason_and_for_no_other(told: Told) -> None:
    scheduler = told.scheduler
    if scheduler.stopped == "budget":
        assert scheduler.broken > scheduler.max_fail
    elif scheduler.stopped == "canary":
        assert set(told.ended.values()) != {"passed"}
    elif not scheduler.stopped:
        assert scheduler.broken <= scheduler.max_fail and not scheduler.canaries


def test_a_failed_canary_leaves_all_others_alone() -> None:
    scheduler = Scheduler(["a", "b", "c"], canaries=["a"], window=3, max_fail=3)
    assert scheduler.next_host() == "a"
    scheduler.mark_started("a")
    assert scheduler.next_host() is None
    scheduler.mark_ended("a", passed=False, broken=True)
    assert scheduler.stopped == "canary" and scheduler.is_done
    assert scheduler.waiting == ["b", "c"]


def test_a_busy_canary_has_proved_nothing() -> None:
    scheduler = Scheduler(["a", "b"], canaries=["a"], window=2, max_fail=2)
    scheduler.mark_started("a")
    scheduler.mark_ended("a", passed=False, broken=False)
    assert scheduler.stopped == "canary"


def test_hosts_that_were_broken_before_spend_the_budget() -> None:
    assert Scheduler(["a"], broken=2, max_fail=1).stopped == "budget"
    assert Scheduler(["a"], broken=1, max_fail=1).next_host() == "a"


def test_a_slow_host_holds_back_nobody() -> None:
    scheduler = Scheduler([f"h{i}" for i in range(10)], window=2, max_fail=0)
    scheduler.mark_started("h0")
    for i in range(1, 10):
        assert scheduler.next_host() == f"h{i}"
        scheduler.mark_started(f"h{i}")
        assert scheduler.next_host() is None
        scheduler.mark_ended(f"h{i}", passed=True, broken=False)
    assert not scheduler.is_done and scheduler.running == {"h0"}


def test_a_full_group_lets_hosts_of_another_pass() -> None:
    groups = {"a1": "a", "a2": "a", "b1": "b"}
    scheduler = Scheduler(["a1", "a2", "b1"], window=3, groups=groups, share={"a": 1, "b": 1})
    scheduler.mark_started("a1")
    assert scheduler.next_host() == "b1"
