"""What a watch tells of a host over any sequence of looks: each problem once until resolved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import language
from fleet.language import CHINESE, ENGLISH
from fleet.quarantine import Quarantine
from mlufleet.watch import appearances, causes, problems, records
from mlufleet.watch.observation import BUSY, SEEN, Observation
from mlufleet.watch.problems import QUARANTINED, RELEASED, TAKEN_OUT, Change, HostState
from mlufleet.watch.tracking import is_unconfirmed, track
from tests.unit.mlufleet.watch.looks import CARDS, endpoint, look, off

DROPPED = {**CARDS, "0000:3a:00.0": "dropped"}
CARD = "CARD_DROPPED 0000:3a:00.0"
SILENT = [endpoint("unhealthy", "SERVE_SILENT")]
#: what can be seen of a host: fields of a look
SIGHTS: tuple[dict[str, Any], ...] = (
    {},
    {"cards": DROPPED},
    {"cards": DROPPED, "failure": "CARD_DROPPED"},
    {"failure": "CLOCK_SKEW"},
    {"failure": "NO_SPACE", "endpoints": SILENT},
    {"drift": {"smoke": ["ask the model"]}},
    {"drift": {"container": ["start it"], "smoke": ["ask the model"]}},
    {"endpoints": SILENT},
    {"endpoints": [endpoint("failed", "SERVE_CRASHED")]},
    {"endpoints": [endpoint("loading")]},
    {"cards": dict.fromkeys(CARDS, "no driver"), "drift": {"driver": ["load driver"]}},
    {"outcome": BUSY},
    {"outcome": BUSY, "cards": DROPPED},
    {"outcome": "unreachable", "failure": "UNREACHABLE"},
    {"outcome": "unreachable", "failure": "TIMED_OUT"},
    {"outcome": "unreachable", "failure": "AUTH"},
    {"outcome": "unprobed", "failure": "PROBE_FAILED"},
    {"boot_id": "boot-2"},
)
#: of few things in turn, so that they come and go
NARROW = st.lists(st.sampled_from(SIGHTS), min_size=1, max_size=4).flatmap(
    lambda few: st.lists(st.sampled_from(few), max_size=40)
)
FORWARD = st.sampled_from([30.0, 60.0, 300.0, 3600.0, 90_000.0])
#: a clock can be set back
ANY_STEP = st.one_of(FORWARD, st.sampled_from([-86_400.0, -60.0, 0.0]))


def looks_at(sights: Sequence[dict[str, Any]], steps: Sequence[float]) -> list[Observation]:
    at, found = 1_700_000_000.0, []
    for sight, step in zip(sights, steps, strict=False):
        at += step
        fields = dict(sight)
        found.append(look(at, fields.pop("outcome", SEEN), **fields))
    return found


def follow(
    looks: Sequence[Observation], state: HostState | None = None
) -> tuple[list[HostState], list[list[Change]]]:
    states, told, state = [], [], state or HostState()
    for one in looks:
        state, changes = track(state, one)
        states.append(state)
        told.append(changes)
    return states, told


def sequences(step: st.SearchStrategy[float]) -> st.SearchStrategy[list[Observation]]:
    steps = st.lists(step, min_size=40, max_size=40)
    return st.builds(looks_at, NARROW, steps)


def of_problems(told: list[list[Change]]) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for number, changes in enumerate(told):
        for change in changes:
            if change.problem.code not in (problems.HEALTH, problems.REBOOTED):
                found.setdefault(change.problem.key, []).append((number, change.kind))
    return found


@given(sequences(ANY_STEP))
def test_each_problem_is_told_once_until_it_is_resolved(looks: list[Observation]) -> None:
    _, told = follow(looks)
    for key, events in of_problems(told).items():
        is_open = is_flapping = False
        for _, kind in events:
            if kind in ("opened", "flapping"):
                assert not is_open, (key, events)
                is_open, is_flapping = True, kind == "flapping"
            elif kind == "recurred":
                assert is_flapping, (key, events)
            else:
                assert kind == "resolved" and is_open, (key, events)
                is_open = is_flapping = False


@given(sequences(ANY_STEP))
def test_two_looks_that_can_see_it_open_it_and_two_resolve_it(looks: list[Observation]) -> None:
    states, told = follow(looks)
    before = HostState()
    streaks: dict[str, list[bool]] = {}
    for one, state, changes in zip(looks, states, told, strict=True):
        view = causes.judge(one)
        for key, tracked in {**before.problems, **state.problems}.items():
            if key != problems.REBOOTED and not view.hides(tracked.problem):
                streaks.setdefault(key, []).append(
                    tracked.last_seen == one.ended
                    and state.problems.get(key) is not None
                    and state.problems[key].missed == 0
                )
        for change in changes:
            if change.kind == "opened":
                assert streaks[change.problem.key][-2:] == [True, True]
            if change.kind == "resolved":
                assert streaks[change.problem.key][-2:] == [False, False]
        before = state


@given(sequences(FORWARD))
def test_what_the_same_look_would_tell_next_is_worth_an_early_one(looks: list[Observation]) -> None:
    state = HostState()
    for one in looks:
        before, (state, _) = state, track(state, one)
        again, told = track(state, replace(one, began=one.ended + 59, ended=one.ended + 60))
        kinds = {change.kind for change in told if change.problem.code != problems.HEALTH}
        assert is_unconfirmed(before, state) or not kinds & {"opened", "resolved"}
        # and then all that it shows is confirmed
        assert not is_unconfirmed(state, again)


@given(sequences(ANY_STEP))
def test_a_look_that_sees_nothing_tells_nothing(looks: list[Observation]) -> None:
    states, told = follow(looks)
    before = HostState()
    for one, state, changes in zip(looks, states, told, strict=True):
        if one.outcome != SEEN:
            for change in changes:
                kind = causes.kind_of(change.problem)
                assert kind == causes.CONTACT or change.kind == "health", change
            for key, tracked in before.problems.items():
                if causes.kind_of(tracked.problem) != causes.CONTACT and key != problems.REBOOTED:
                    after = state.problems[key]
                    opened = tracked.opened and min(tracked.opened, one.ended)
                    assert (after.opened, after.missed) == (opened, tracked.missed)
        before = state


@given(sequences(ANY_STEP))
def test_nothing_is_known_from_the_future(looks: list[Observation]) -> None:
    for one, state, changes in zip(looks, *follow(looks), strict=True):
        times = [state.last_look, state.last_probed, state.since, *(each.since for each in changes)]
        for tracked in state.problems.values():
            times += [tracked.first_seen, tracked.last_seen, tracked.opened, *tracked.flaps]
        assert max(at for at in times if at is not None) <= one.ended


@given(sequences(ANY_STEP), st.data())
def test_a_restart_in_the_middle_changes_nothing(looks: list[Observation], data: Any) -> None:
    states, told = follow(looks)
    cut = data.draw(st.integers(0, len(looks)))
    first, told_first = follow(looks[:cut])
    kept = records.state_from_json(records.state_to_json(first[-1])) if first else HostState()
    assert not first or kept == first[-1]
    then, told_then = follow(looks[cut:], kept)
    assert first + then == states and told_first + told_then == told


@given(sequences(ANY_STEP))
def test_first_times_are_kept(looks: list[Observation]) -> None:
    states, told = follow(looks)
    first: dict[str, float] = {}
    before = HostState()
    for one, state, changes in zip(looks, states, told, strict=True):
        first = {key: min(at, one.ended) for key, at in first.items()}  # by a clock set back
        for change in changes:
            if change.kind in ("opened", "flapping"):
                first[change.problem.key] = change.since
            if change.kind == "resolved":
                assert change.since == first.pop(change.problem.key)
        for key, tracked in state.problems.items():
            if tracked.opened is not None:
                assert tracked.first_seen == first[key]
        if state.health == before.health:
            assert before.since is None or state.since == min(before.since, one.ended)
        before = state


@given(sequences(FORWARD))
def test_what_is_flapping_is_told_once_until_it_is_stable(looks: list[Observation]) -> None:
    states, told = follow(looks)
    before = HostState()
    for one, state, changes in zip(looks, states, told, strict=True):
        for change in changes:
            known = before.problems.get(change.problem.key)
            if known and known.is_flapping and change.problem.code != problems.REBOOTED:
                assert change.kind in ("recurred", "resolved")
                if change.kind == "resolved":
                    assert one.ended - known.last_seen >= appearances.STABLE_S
        before = state


@given(sequences(ANY_STEP))
def test_a_state_does_not_grow(looks: list[Observation]) -> None:
    states, _ = follow([*looks, *looks, *looks])
    for state in states:
        assert all(len(one.flaps) <= appearances.FLAP_LIMIT for one in state.problems.values())
        assert len(state.problems) <= 20


def every(step: float, *sights: dict[str, Any]) -> list[Observation]:
    return looks_at(sights, [step] * len(sights))


def kinds(told: list[list[Change]], code: str = "") -> list[list[str]]:
    return [
        [one.kind for one in changes if one.kind != "health" and one.problem.code.startswith(code)]
        for changes in told
    ]


GOOD: dict[str, Any] = {}
BAD: dict[str, Any] = {"cards": DROPPED}
OFF: dict[str, Any] = {"outcome": "unreachable", "failure": "UNREACHABLE"}
REBOOT: dict[str, Any] = {"boot_id": "boot-2"}


def test_a_problem_opens_and_is_resolved_with_its_times() -> None:
    looks = every(60, GOOD, BAD, BAD, BAD, GOOD, GOOD, GOOD)
    states, told = follow(looks)
    assert kinds(told) == [[], [], ["opened"], [], [], ["resolved"], []]
    (opened,), (resolved,) = (
        [one for one in changes if one.kind != "health"] for changes in (told[2], told[5])
    )
    assert (opened.time, opened.since) == (looks[2].ended, looks[1].ended)
    assert (resolved.time, resolved.since) == (looks[5].ended, looks[1].ended)
    assert [state.health for state in states] == ["ok", "ok", *["broken"] * 3, "ok", "ok"]
    assert states[4].since == looks[2].ended and states[5].since == looks[5].ended


def test_one_look_is_no_proof() -> None:
    _, told = follow(every(60, GOOD, BAD, GOOD, GOOD, GOOD, OFF, GOOD))
    assert kinds(told) == [[]] * 7


def test_a_host_that_is_off_keeps_the_problems_of_its_cards() -> None:
    states, told = follow(every(60, BAD, BAD, OFF, OFF, OFF, BAD, BAD, GOOD, GOOD))
    assert kinds(told) == [
        *([], ["opened"], [], ["opened"], [], [], ["resolved"], [], ["resolved"])
    ]
    assert [state.health for state in states] == [
        *("unknown", "broken", "broken", "unreachable", "unreachable", "unreachable"),
        *("broken", "broken", "ok"),
    ]
    assert [one.problem.key for one in states[4].open_problems] == [CARD, "UNREACHABLE"]


def test_a_host_that_a_run_works_on_is_that_runs_concern() -> None:
    busy = {"outcome": BUSY, "cards": DROPPED}
    states, told = follow(every(60, BAD, BAD, busy, busy, busy, BAD, GOOD, busy, GOOD))
    assert kinds(told) == [*([], ["opened"], [], [], [], [], [], [], ["resolved"])]
    assert [state.health for state in states][1:6] == ["broken", "busy", "busy", "busy", "broken"]


def test_a_run_on_a_host_shows_that_it_can_be_reached() -> None:
    _, told = follow(every(60, OFF, OFF, {"outcome": BUSY}, {"outcome": BUSY}))
    assert kinds(told) == [[], ["opened"], [], ["resolved"]]


@pytest.mark.parametrize("cycle", [(BAD, GOOD), (BAD, BAD, GOOD, GOOD), (OFF, GOOD, GOOD)])
def test_what_comes_and_goes_is_silent_after_it_was_told(cycle: tuple[dict[str, Any], ...]) -> None:
    flaps = every(60, *cycle * 12)
    states, told = follow(flaps)
    found = [kind for changes in kinds(told) for kind in changes]
    assert found.count("flapping") == 1
    assert set(found[found.index("flapping") + 1 :]) == {"recurred"}
    assert found.index("flapping") <= 4  # opened and resolved twice at most
    # stable for an hour: resolved, once
    later = looks_at([GOOD] * 70, [flaps[-1].ended - 1_700_000_000 + 60, *[60.0] * 69])
    after, then = follow(later, states[-1])
    ends = [number for number, changes in enumerate(kinds(then)) if changes]
    assert len(ends) == 1 and kinds(then)[ends[0]] == ["resolved"] and 57 <= ends[0] <= 61
    assert not after[-1].problems


def test_what_was_flapping_and_stays_is_not_told_again() -> None:
    flaps = every(60, *(BAD, GOOD) * 4)
    states, _ = follow(flaps)
    later = looks_at([BAD] * 70, [flaps[-1].ended - 1_700_000_000 + 60, *[60.0] * 69])
    after, then = follow(later, states[-1])
    assert [kind for changes in kinds(then) for kind in changes] == ["recurred"]
    (tracked,) = after[-1].open_problems
    assert not tracked.is_flapping and tracked.first_seen == flaps[0].ended


def test_a_server_that_fails_in_one_way_after_another_is_one_problem() -> None:
    ways = [{"endpoints": [endpoint("unhealthy", code)]} for code in ("SERVE_SILENT", "SERVE_LOAD")]
    loading = {"endpoints": [endpoint("loading")]}
    states, told = follow(every(60, *(*ways, loading) * 4))
    assert [kind for changes in kinds(told) for kind in changes] == ["opened"]
    assert [one.problem.key for one in states[-1].open_problems] == ["SERVE_SILENT small/0"]


def test_a_host_that_booted_by_itself() -> None:
    looks = every(60, GOOD, REBOOT, REBOOT)
    states, told = follow(looks)
    assert kinds(told) == [[], ["rebooted"], []]
    assert told[1][0].since == looks[0].ended
    assert states[1].health == "ok" and not states[1].open_problems


def test_a_host_that_a_run_rebooted() -> None:
    state, _ = track(HostState(), look(0))
    _, changes = track(state, look(60, boot_id="boot-2"), run="20261129-1")
    assert changes == []
    for after in (look(120, boot_id="boot-2"), look(120, BUSY, boot_id="boot-2")):
        state, _ = track(HostState(), look(0))
        state, changes = track(state, look(60, BUSY, boot_id=after.boot_id))
        assert [one.kind for one in changes] == ["health"]
        assert not [one for one in track(state, after)[1] if one.kind == "rebooted"]
    # it held the lock, and was done before the next look
    state = replace(state, health="busy")
    assert not [one for one in track(state, look(180, boot_id="3"))[1] if one.kind == "rebooted"]


def test_a_host_that_boots_again_and_again_is_told_once() -> None:
    looks = [look(60.0 * number, boot_id=f"boot-{number}") for number in range(10)]
    states, told = follow(looks)
    found = [kind for changes in kinds(told) for kind in changes]
    assert found == ["rebooted", "rebooted", "flapping", *["recurred"] * 6]
    assert not states[-1].open_problems
    states, told = follow([look(540 + 4000, boot_id="boot-9")], states[-1])
    assert told == [[]] and not states[-1].problems


def test_a_clock_that_was_wrong_holds_up_nothing() -> None:
    """A year ahead, and then right: what came and went before counts as just now."""
    ahead = [look(1e9 + 60 * number, cards=DROPPED if number % 2 else CARDS) for number in range(8)]
    states, _ = follow(ahead)
    assert states[-1].problems[CARD].is_flapping
    back = [look(60.0 * number) for number in range(63)]
    after, told = follow(back, states[-1])
    assert [kind for changes in kinds(told) for kind in changes] == ["resolved"]
    assert after[-1].last_look == back[-1].ended and not after[-1].problems


@pytest.mark.parametrize(
    ("fields", "health"),
    [
        ({"endpoints": [endpoint(), endpoint("failed", "SERVE_CRASHED", name="1")]}, "degraded"),
        ({"endpoints": [endpoint("failed", "SERVE_CRASHED")]}, "broken"),
        ({"endpoints": [endpoint()], "failure": "CLOCK_SKEW"}, "degraded"),
        ({"failure": "CLOCK_SKEW"}, "degraded"),
        ({"drift": {"smoke": ["ask"]}}, "degraded"),
        ({"drift": {"container of small": ["start"]}}, "broken"),
        ({"failure": "ENGINE"}, "broken"),
        ({"cards": DROPPED}, "broken"),
        ({}, "ok"),
        ({"outcome": BUSY}, "busy"),
        ({"outcome": "unprobed", "failure": "SUDO"}, "unreachable"),
        ({"outcome": "unprobed", "failure": "NO_SPACE"}, "unreachable"),
    ],
)
def test_health_says_whether_it_does_its_work(fields: dict[str, Any], health: str) -> None:
    states, told = follow(every(60, fields, fields))
    assert states[-1].health == health and health in problems.HEALTHS
    assert [one.problem.subject for changes in told for one in changes if one.kind == "health"] == [
        health
    ]


def test_off_is_unreachable() -> None:
    state, _ = track(HostState(), off(0))
    state, changes = track(state, off(60))
    assert [one.problem.action for one in changes] == ["INSPECT", "IGNORE"]


def test_that_a_host_is_out_of_service_is_told_once_and_that_it_is_back() -> None:
    first = Quarantine.begin("kang@ops", "cards drop", "CARD_DROPPED", 60)
    edited = first.model_copy(update={"reason": "cards drop, ticket 4711"})
    second = Quarantine.begin("watch", "cards drop", "CARD_DROPPED", 120)
    state, kinds = HostState(), list[list[str]]()
    for number, mark in enumerate((None, first, edited, second, second, None, None)):
        state, changes = track(state, look(300.0 * number), quarantine=mark)
        state = records.state_from_json(records.state_to_json(state))  # as the next watch reads it
        told = [one for one in changes if one.problem.code == QUARANTINED]
        kinds.append([one.kind for one in told])
        for one in told:
            assert one.since == (60 if mark is first else 120)
            assert one.problem.sentence and (one.kind == RELEASED or one.problem.remedy)
    assert kinds == [[], [TAKEN_OUT], [], [TAKEN_OUT], [], [RELEASED], []]


@pytest.fixture
def languages(speak: Callable[[str], None]) -> None:
    """The test may change the language of the process."""
    speak(ENGLISH)


def in_other_words(looked: Observation) -> Observation:
    """A look whose process spoke the other language: codes, stages and kinds are the same."""
    failure = looked.failure and replace(looked.failure, sentence="出错了", remedy="请处理")
    drift = {stage: ["要做的事"] * len(words) for stage, words in looked.drift.items()}
    return replace(looked, failure=failure, drift=drift)


@pytest.mark.parametrize("first", [ENGLISH, CHINESE])
@pytest.mark.parametrize("sight", SIGHTS[1:-1])
def test_a_watch_that_speaks_another_language_tells_nothing_twice(
    sight: dict[str, Any], first: str, languages: None
) -> None:
    looks = looks_at([sight] * 4, [60.0] * 4)
    second = CHINESE if first == ENGLISH else ENGLISH
    language.use_language(first)
    states, before = follow(looks[:2])
    kept = records.state_from_json(records.state_to_json(states[-1]))
    language.use_language(second)
    again, after = follow([in_other_words(one) for one in looks[2:]], kept)
    assert {one.kind for told in after for one in told} <= {"health"}
    assert again[-1].problems.keys() == states[-1].problems.keys()
    assert [one.opened for one in again[-1].open_problems] == [
        one.opened for one in states[-1].open_problems
    ]
    well = look(looks[-1].ended + 7200)
    told = follow([well, replace(well, began=well.began + 60, ended=well.ended + 60)], again[-1])[1]
    resolved = {one.problem.key for each in told for one in each if one.kind == "resolved"}
    assert resolved == {one.problem.key for one in states[-1].open_problems}
    assert any(told for told in before) or sight == {"outcome": BUSY}


def test_a_quarantine_is_told_once_whatever_language_the_watch_speaks(languages: None) -> None:
    mark = Quarantine.begin("watch", "CARD_DROPPED 0000:3a:00.0", now=1_700_000_000)
    state, told = track(HostState(), look(1_700_000_100), quarantine=mark)
    assert [one.kind for one in told] == [TAKEN_OUT, "health"]
    language.use_language(CHINESE)
    state, told = track(state, look(1_700_000_200), quarantine=mark)
    assert told == []
    state, told = track(state, look(1_700_000_300))
    assert [(one.kind, one.problem.key) for one in told] == [(RELEASED, QUARANTINED)]


def test_healths_of_a_history_are_the_same_in_each_language(languages: None) -> None:
    language.use_language(CHINESE)
    looks = [look(1_700_000_000.0 + 60 * number, cards=DROPPED) for number in range(3)]
    changes = [one for told in follow(looks)[1] for one in told if one.kind == "health"]
    assert [(one.problem.subject, problems.earlier_health(one.problem)) for one in changes] == [
        ("broken", "unknown")
    ]
    assert problems.describe_health(changes[0].problem) == changes[0].sentence
