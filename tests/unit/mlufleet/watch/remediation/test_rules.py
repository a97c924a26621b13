"""What is decided about hosts: each rule, and what holds for every course of events."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.error_codes import FAILURE_TABLE
from fleet.quarantine import Quarantine
from mlufleet.journal.events import FailureRecord
from mlufleet.rollout.host_count import HostCount
from mlufleet.watch.decision import (
    DEFERRED,
    DONE,
    HOLD_ACTION,
    HOLD_AT_ONCE,
    HOLD_CHANGED,
    HOLD_DEFERRED,
    HOLD_EXHAUSTED,
    HOLD_QUARANTINED,
    HOLD_QUARANTINES,
    HOLD_TRIES,
    LOST,
    NONE,
    QUARANTINE,
    REBOOT,
    REFUSED,
    REPAIR,
    REPAIR_ALL,
    RESTART,
    RESTART_ONLY,
    RUN_RUNGS,
    RUNNING,
    Decision,
)
from mlufleet.watch.observation import BUSY, SEEN, Observation
from mlufleet.watch.problems import HostState
from mlufleet.watch.remediation.budget import DEFER_S
from mlufleet.watch.remediation.policy import STORM_WINDOW_S, TRY_WINDOW_S, Hours, Policy
from mlufleet.watch.remediation.rules import (
    MAX_LOOKS,
    MENDABLE,
    PENDING_S,
    decide,
    settle,
)
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot
from mlufleet.watch.tracking import track
from tests import snapshots
from tests.snapshots import TAKEN

CONTAINER = {"container": ["start container a"]}
DRIVER = {"driver": ["load driver 5.10.22"], **CONTAINER}


def broken(
    name: str = "a",
    mode: str = REPAIR_ALL,
    *,
    code: str = "DRIFT",
    subject: str = "container",
    since: float = TAKEN - 3600,
    drift: dict[str, list[str]] | None = None,
    **look: Any,
) -> HostSnapshot:
    """A host with an open problem that the last look has seen."""
    drift = CONTAINER if drift is None else drift
    last = snapshots.look(name, drift=drift, **look)
    state = snapshots.opened(code, subject, since)
    return replace(snapshots.host(name, state, last=last), remediate=mode)


def tried(rung: str, at: float = TAKEN - 1800, **fields: Any) -> Decision:
    given: dict[str, Any] = {"ended": at + 60, "outcome": DONE, "is_proved": False, **fields}
    return Decision(at, "a", rung, "", **given)


def rung_of(host: HostSnapshot, *past: Decision, **fields: Any) -> str:
    (found,) = decide(snapshots.snapshot(host), {"a": past}, Policy(**fields), TAKEN)
    return found.rung


@pytest.mark.parametrize(
    ("host", "rung"),
    [
        (broken(), RESTART),
        (broken(mode=RESTART_ONLY), RESTART),
        (broken(subject="serve", drift={"serve of a": ["start"]}), RESTART),
        # what is in a container that is not running cannot be seen
        (broken(drift={**CONTAINER, "packages": ["install packages"]}), RESTART),
        (broken(drift={"container": ["create container a"]}), REPAIR),
        (broken(drift={"packages": ["install packages"]}, subject="packages"), REPAIR),
        (
            broken(
                subject="container of a",
                drift={"container of a": ["start container a"], "patch of b": ["replace a file"]},
            ),
            REPAIR,
        ),
        (broken(drift=DRIVER, code="DRIVER_NOT_PROVED", subject=""), REPAIR),
        (broken(mode=RESTART_ONLY, drift=DRIVER, code="DRIVER_NOT_PROVED", subject=""), NONE),
        (broken(code="SERVE_STUCK", subject="a/0"), REBOOT),
        (broken(mode=RESTART_ONLY, code="SERVE_STUCK", subject="a/0"), NONE),
        (broken(code="SERVE_CRASHED", subject="a/0", drift={}), NONE),  # no stage would act
        (broken(code="CARD_DROPPED"), NONE),
        (broken(code="CARD_BUSY"), NONE),
        (broken(code="ENGINE", subject="", drift={"engine": ["wait for docker"]}), NONE),
        (broken(subject="engine", drift={"engine": ["start docker"]}), REPAIR),
        (broken(code="CONTAINER_FOREIGN"), NONE),
        (broken(code="UNREACHABLE", outcome="unreachable"), NONE),
    ],
)
def test_lowest_rung_that_may_help(host: HostSnapshot, rung: str) -> None:
    assert rung_of(host) == rung


def test_ladder_goes_up_one_rung_after_the_other() -> None:
    host, past = broken(drift=DRIVER, subject="driver"), list[Decision]()
    for rung in (REPAIR, REBOOT, NONE):
        assert rung_of(host, *past) == rung
        past.append(tried(rung))
    # a restart that was followed by more drift is followed by a repair
    assert rung_of(host, tried(RESTART)) == REPAIR
    assert rung_of(broken(mode=RESTART_ONLY), tried(RESTART)) == NONE
    assert rung_of(host, tried(REPAIR, is_over=True)) == REPAIR


@pytest.mark.parametrize(
    "pending",
    [
        tried(RESTART, ended=None, outcome=RUNNING, is_proved=None),
        tried(RESTART, is_proved=None),
    ],
)
def test_nothing_is_decided_before_the_last_run_is_judged(pending: Decision) -> None:
    fleet = snapshots.snapshot(broken())
    assert decide(fleet, {"a": [pending]}, Policy(), TAKEN) == []
    others = snapshots.snapshot(broken(), broken("b", since=TAKEN - 90_000))
    (found,) = decide(others, {"a": [pending]}, Policy(), TAKEN)
    assert (found.host, found.rung) == ("b", NONE)  # one at once
    (found,) = decide(others, {"a": [pending]}, Policy(at_once=2), TAKEN)
    assert found.rung == RESTART


def test_no_decision_without_a_problem_that_the_last_look_saw() -> None:
    unconfirmed = broken()
    for change in ({"opened": None}, {"missed": 1}, {"last_seen": TAKEN - 300}):
        state = snapshots.opened("DRIFT", "container", TAKEN - 3600, **change)
        fleet = snapshots.snapshot(replace(unconfirmed, state=state))
        assert decide(fleet, {}, Policy(), TAKEN) == []
    assert decide(snapshots.snapshot(broken(mode="off")), {}, Policy(), TAKEN) == []
    # of an earlier watch
    assert decide(snapshots.snapshot(broken(), started=TAKEN - 1), {}, Policy(), TAKEN) == []


def test_a_refusal_by_a_later_stage_is_a_persons() -> None:
    failure = FailureRecord("image", "NO_SPACE", "no space", "", [], "INSPECT")
    assert rung_of(broken(failure=failure)) == NONE
    assert FAILURE_TABLE["CARD_BUSY"].action not in MENDABLE


def test_tries_within_a_day() -> None:
    past = [tried(RESTART, TAKEN - age, is_over=True) for age in (TRY_WINDOW_S + 1, 4000, 3000)]
    assert rung_of(broken(), *past) == RESTART
    assert rung_of(broken(), *past, tries=2) == NONE


def test_a_run_that_met_others_is_a_try_and_no_rung_that_did_not_help() -> None:
    met = tried(RESTART, TAKEN - 60, outcome=DEFERRED, is_proved=None)
    (found,) = decide(snapshots.snapshot(broken()), {"a": [met]}, Policy(), TAKEN)
    assert (found.rung, found.hold) == (NONE, HOLD_DEFERRED)
    later = [replace(met, time=TAKEN - age, ended=TAKEN - age) for age in (9000, 6000, DEFER_S)]
    assert rung_of(broken(), *later[1:]) == RESTART
    (found,) = decide(snapshots.snapshot(broken()), {"a": later}, Policy(), TAKEN)
    assert (found.rung, found.hold) == (NONE, HOLD_TRIES)


def test_a_run_that_is_refused_is_neither() -> None:
    refused = tried(RESTART, TAKEN - 60, outcome=REFUSED, is_proved=None)
    assert rung_of(broken(), *[refused] * 5) == RESTART
    fleet = snapshots.snapshot(broken())
    (found,) = decide(fleet, {}, Policy(), TAKEN, {"a": "read it anew"})
    assert (found.rung, found.hold, found.reason) == (NONE, HOLD_CHANGED, "read it anew")


def test_a_run_that_nobody_hears_of_again_does_not_hold_up_others() -> None:
    lost = tried(RESTART, TAKEN - PENDING_S, outcome=LOST, is_proved=None)
    hosts = [broken("a"), broken("b", since=TAKEN - 90_000)]
    (found,) = decide(snapshots.snapshot(*hosts), {"a": [lost]}, Policy(), TAKEN)
    assert (found.host, found.rung) == ("b", RESTART)
    lost = replace(lost, time=TAKEN - 3600)
    (found,) = decide(snapshots.snapshot(*hosts), {"a": [lost]}, Policy(), TAKEN)
    assert (found.host, found.rung, found.hold) == ("b", NONE, HOLD_AT_ONCE)


def test_nothing_is_decided_before_all_other_hosts_were_looked_at_since() -> None:
    for age, count in ((200, 0), (300, 0), (331, 1)):
        young = snapshots.snapshot(broken(since=TAKEN - age))
        assert young.every_s == 300 and len(decide(young, {}, Policy(), TAKEN)) == count


def test_a_fleet_of_one_host_has_no_storm() -> None:
    assert rung_of(broken(since=TAKEN - 600), storm=HostCount(10, is_percentage=True)) == RESTART
    assert rung_of(broken(since=TAKEN - 600), storm=HostCount(1)) == RESTART


def test_hours_when_the_clock_is_put_forward_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        night = Hours.parse("01:30-03:30")
        spring, autumn = 1774742400, 1792886400  # 29 March and 25 October 2026, 0:00 UTC
        quarters = [900 * number for number in range(-4, 16)]
        # two hours of the clock that are one, and three
        assert sum(night.includes(spring + at) for at in quarters) == 4
        assert sum(night.includes(autumn + at) for at in quarters) == 12
    finally:
        monkeypatch.undo()
        time.tzset()


def test_hours() -> None:
    night, minute = Hours.parse("22:00-06:00"), time.localtime(TAKEN)
    now = minute.tm_hour * 60 + minute.tm_min
    assert rung_of(broken(), hours=Hours(now, now + 1)) == RESTART
    assert rung_of(broken(), hours=Hours(now + 1, now)) == NONE
    at = {hour: TAKEN + (hour - minute.tm_hour) * 3600 for hour in range(24)}
    assert [hour for hour in at if night.includes(at[hour])] == [0, 1, 2, 3, 4, 5, 22, 23]
    assert str(night) == "22:00-06:00" and Hours.parse("00:00-24:00").includes(TAKEN)


@pytest.mark.parametrize("text", ["", "22", "22:00", "24:30-06:00", "1:60-2:00", "6:00-6:00"])
def test_wrong_hours(text: str) -> None:
    with pytest.raises(ValueError):
        Hours.parse(text)


def test_nothing_is_mended_when_many_broke_together() -> None:
    def fleet(*since: float) -> FleetSnapshot:
        hosts = [broken(f"h{number}", since=TAKEN - age) for number, age in enumerate(since)]
        return snapshots.snapshot(
            *hosts, *(snapshots.host(f"ok{one}") for one in range(20 - len(since)))
        )

    def mended(fleet: FleetSnapshot, **fields: Any) -> list[str]:
        found = decide(fleet, {}, Policy(at_once=9, **fields), TAKEN)
        return [one.host for one in found if one.rung != NONE]

    assert mended(fleet(360, 420)) == ["h0", "h1"]  # 10% of 20
    assert mended(fleet(360, 420, 480)) == []
    assert mended(fleet(360, 420, 480), storm=HostCount(3)) == ["h0", "h1", "h2"]
    # of long ago, they are a person's, and others are mended again
    old = [9000 + 60 * number for number in range(3)]
    assert mended(fleet(*old, 3600)) == ["h3"]
    # each on its own
    assert mended(fleet(*(9000 + number * (STORM_WINDOW_S + 1) for number in range(3)))) == [
        *("h0", "h1", "h2")
    ]


def judge(attempt: Decision, *looks: Observation, state: HostState | None = None) -> Decision:
    for look in looks:
        state, _ = track(state or HostState(), look)
        attempt = settle(attempt, look, state)
    return attempt


def looks_after(kinds: str) -> list[Observation]:
    """Looks after a run: o (right), x (broken), b (busy), d (a card has dropped)."""
    return [
        snapshots.look(
            "a",
            TAKEN + 300 * number,
            outcome=BUSY if kind == "b" else SEEN,
            drift=CONTAINER if kind == "x" else {},
            facts=snapshots.facts(endpoints=[], **(DROPPED if kind == "d" else {})),
        )
        for number, kind in enumerate(kinds, 1)
    ]


@pytest.mark.parametrize(
    ("kinds", "is_proved", "is_over"),
    [
        ("o", None, False),
        ("oo", True, True),
        ("xx", False, False),
        ("ox", None, False),
        ("obbo", True, True),
        ("bbbbbbbb", None, False),
        ("xo" * (MAX_LOOKS // 2), False, False),
        ("xxoo", False, True),  # somebody else has mended it
    ],
)
def test_proof_takes_two_looks(kinds: str, is_proved: bool | None, is_over: bool) -> None:
    before = snapshots.opened("DRIFT", "container")
    attempt = tried(RESTART, TAKEN - 100, is_proved=None)
    after = judge(attempt, *looks_after(kinds), state=before)
    assert (after.is_proved, after.is_over) == (is_proved, is_over)
    running = replace(attempt, ended=None, outcome=RUNNING)
    assert judge(running, *looks_after(kinds), state=before) == running


DROPPED = {"cards": {**dict.fromkeys(snapshots.CARDS, "CN_RUNNING"), snapshots.CARDS[0]: "dropped"}}
EVENTS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("oxxxbdr"), st.booleans()),
    max_size=80,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(1, 3), st.integers(1, 4), st.sampled_from((RESTART_ONLY, REPAIR_ALL)))
def test_whatever_happens_the_budget_holds(
    events: list[tuple[str, str, bool]], at_once: int, tries: int, mode: str
) -> None:
    most = HostCount(50, is_percentage=True)
    policy, now = Policy(at_once, tries, HostCount(4), quarantine_at_most=most), TAKEN
    hosts = {name: replace(snapshots.host(name), remediate=mode) for name in "abcd"}
    past: dict[str, list[Decision]] = {name: [] for name in hosts}
    for name, kind, ends in events:
        now += 400  # all hosts were looked at meanwhile
        if kind == "r":  # a person puts it back
            hosts[name] = replace(hosts[name], quarantine=None)
            past[name] = [replace(one, is_over=one.is_over or one.is_settled) for one in past[name]]
            continue
        (look,) = (replace(one, host=name) for one in looks_after(kind))
        look = replace(look, began=now - 2, ended=now)
        for index, one in enumerate(past[name]):
            if ends and one.is_run and one.ended is None:
                past[name][index] = replace(one, ended=now - 50, outcome=DONE)
        state, _ = track(hosts[name].state, look)
        hosts[name] = replace(hosts[name], state=state, last=look)
        past[name] = [settle(one, look, state) for one in past[name]]
        fleet = replace(snapshots.snapshot(*hosts.values(), started=TAKEN - 1), taken=now)
        for made in decide(fleet, past, policy, now):
            assert made.reason
            if made.rung == NONE:
                continue
            earlier = past[made.host]
            assert all(one.is_settled for one in earlier)
            assert hosts[made.host].quarantine is None
            if made.rung == QUARANTINE:
                assert mode == REPAIR_ALL
                hosts[made.host] = replace(hosts[made.host], quarantine=MARK)
                past[made.host].append(replace(made, outcome=DONE))
                continue
            assert hosts[made.host].last and hosts[made.host].last.outcome == SEEN
            assert made.rung != REBOOT or mode == REPAIR_ALL
            assert made.rung not in [one.rung for one in earlier if not one.is_over]
            past[made.host].append(replace(made, outcome=RUNNING))
        assert sum(host.quarantine is not None for host in hosts.values()) <= 2
        runs = [one for each in past.values() for one in each if one.is_run]
        assert sum(not one.is_settled for one in runs) <= at_once
        for each in past.values():
            recent = [one for one in each if one.is_run and one.time > now - TRY_WINDOW_S]
            assert len(recent) <= tries and {one.rung for one in recent} <= set(RUN_RUNGS)


SILENT = snapshots.facts(endpoints=[])
PAST = [tried(rung) for rung in (REPAIR, REBOOT)]
MARK = Quarantine.begin("kang@ops", "cards drop", "CARD_DROPPED", 0)


def decide_of(first: HostSnapshot, *past: Decision, others: int = 19, **fields: Any) -> Decision:
    """What is decided about the first of several hosts, of which the others are right."""
    hosts = [first, *(snapshots.host(f"other{number}") for number in range(others))]
    (found,) = decide(snapshots.snapshot(*hosts), {"a": past}, Policy(**fields), TAKEN)
    return found


@pytest.mark.parametrize(
    ("host", "past", "rung", "hold"),
    [
        (broken(drift=DRIVER, facts=SILENT), PAST, QUARANTINE, ""),
        # a site that allows only restarts has not allowed that
        (broken(mode=RESTART_ONLY, facts=SILENT), [tried(RESTART)], NONE, HOLD_EXHAUSTED),
        # what still serves somebody is not taken out of service
        (broken(drift=DRIVER), PAST, NONE, HOLD_EXHAUSTED),
        # no run helps, only somebody at the machine
        (broken(code="CARD_DROPPED", facts=SILENT), [], QUARANTINE, ""),
        (broken(code="CARD_DROPPED"), [], NONE, HOLD_ACTION),
        (broken(mode=RESTART_ONLY, code="CARD_DROPPED", facts=SILENT), [], NONE, HOLD_ACTION),
        (broken(code="HUNG", outcome="unreachable", facts={}), [], QUARANTINE, ""),
        # other people's work, and what is not of the hardware
        (broken(code="CARD_BUSY", facts=SILENT), [], NONE, HOLD_ACTION),
        (broken(code="UNREACHABLE", outcome="unreachable", facts={}), [], NONE, HOLD_ACTION),
        (broken(code="SERVE_CRASHED", subject="a/0", drift={}, facts=SILENT), [], NONE, "no_stage"),
    ],
)
def test_the_last_rung(host: HostSnapshot, past: list[Decision], rung: str, hold: str) -> None:
    found = decide_of(host, *past)
    assert (found.rung, found.hold) == (rung, hold)


def test_a_problem_of_others_keeps_a_host_in_service() -> None:
    dead = broken(code="CARD_DROPPED", facts=SILENT)
    busy = snapshots.opened("CARD_BUSY", "", TAKEN - 3600)
    both = {**dead.state.problems, **busy.problems}
    host = replace(dead, state=replace(dead.state, problems=both))
    assert decide_of(host).hold == HOLD_ACTION


def test_a_host_in_quarantine_is_a_persons() -> None:
    host = replace(broken(drift=DRIVER), quarantine=MARK)
    found = decide_of(host)
    assert (found.rung, found.hold) == (NONE, HOLD_QUARANTINED) and "kang@ops" in found.reason


@pytest.mark.parametrize(
    ("most", "total", "allowed"),
    [
        ("10%", 20, 2),
        ("10%", 9, 1),
        ("10%", 2, 1),
        ("10%", 1, 0),  # it would be all of them
        ("100%", 4, 3),
        ("0%", 20, 0),
        ("0", 20, 0),
        ("1", 1, 1),  # as it was said
        ("5", 20, 5),
    ],
)
def test_quarantine_at_most(most: str, total: int, allowed: int) -> None:
    policy = Policy(quarantine_at_most=HostCount.parse(most), storm=HostCount(1000), at_once=1000)
    hosts = [
        broken(f"a{number}", since=TAKEN - 5000 * (number + 1), code="CARD_DROPPED", facts=SILENT)
        for number in range(total)
    ]
    found = decide(snapshots.snapshot(*hosts), {}, policy, TAKEN)
    rungs = [one.rung for one in found]
    assert rungs == [QUARANTINE] * allowed + [NONE] * (total - allowed)
    assert {one.hold for one in found if one.rung == NONE} <= {HOLD_QUARANTINES}
    # those of people count as well
    marked = [replace(hosts[0], quarantine=MARK), *hosts[1:]]
    found = decide(snapshots.snapshot(*marked), {}, policy, TAKEN)
    assert sum(one.rung == QUARANTINE for one in found) == max(0, allowed - 1)


def test_storm_hours_and_others_hold_for_the_last_rung_and_tries_do_not() -> None:
    host = broken(drift=DRIVER, facts=SILENT)
    assert decide_of(host, *PAST, tries=2).rung == QUARANTINE
    local = time.localtime(TAKEN)
    later = Hours((local.tm_hour + 2) % 24 * 60, (local.tm_hour + 3) % 24 * 60)
    assert decide_of(host, *PAST, hours=later).hold == "hours"
    assert decide_of(host, *PAST, at_once=0).hold == "at_once"
    hosts = [broken(name, code="CARD_DROPPED", facts=SILENT) for name in "abcd"]
    storm = decide(snapshots.snapshot(*hosts), {}, Policy(), TAKEN)
    assert {one.hold for one in storm} == {"storm"}
