"""What /metrics of the watch says, read by Prometheus' own parser."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families

from fleet.quarantine import Quarantine
from fleet.text import sanitize
from mlufleet.report.metric_table import COUNTER, MAX_LABEL_CHARACTERS, METRICS, WATCH
from mlufleet.watch.decision import DONE, HOLD_TRIES, HOLDS, REPAIR, Decision
from mlufleet.watch.metrics import MAX_SUBJECTS, render_metrics
from mlufleet.watch.observation import OUTCOMES
from mlufleet.watch.problems import (
    HEALTHS,
    REBOOTED,
    UNREACHABLE,
    HostState,
    Problem,
    TrackedProblem,
)
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot
from tests import snapshots
from tests.snapshots import CARDS, TAKEN
from tests.unit.fuzz import ANY_TEXT

Found = dict[str, list[tuple[dict[str, str], float]]]


def read(snapshot: FleetSnapshot) -> Found:
    """Sample -> labels and values."""
    found: Found = {}
    for family in text_string_to_metric_families(render_metrics(snapshot).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def samples_of(*hosts: HostSnapshot, **fields: Any) -> Found:
    return read(snapshots.snapshot(*hosts, **fields))


def everything() -> FleetSnapshot:
    """Every metric of the watch has a sample."""
    drift = {"driver": ["install driver 5.10.22", "load it"]}
    state = snapshots.opened("DRIFT", "driver", is_flapping=True)
    reboot = TrackedProblem(Problem(REBOOTED), TAKEN, TAKEN)
    state = replace(state, problems={**state.problems, REBOOTED: reboot})
    one = snapshots.host("a", state, last=snapshots.look("a", drift=drift), groups=("mlu",))
    decisions = {"a": Decision(TAKEN, "a", REPAIR, "DRIFT driver")}
    mark = Quarantine.begin("kang@ops", "cards drop", "", 0)
    return snapshots.snapshot(
        replace(one, quarantine=mark),
        notice_errors={"ops": "HTTP status 500"},
        decisions=decisions,
        runs={(REPAIR, DONE): 2},
        holds={"a": HOLD_TRIES},
    )


def test_every_metric_of_the_table_is_said_and_no_other() -> None:
    text = render_metrics(everything()).decode()
    said = {line.split()[2]: line.split()[3] for line in text.splitlines() if "# TYPE" in line}
    assert said == {name: info.kind for name, info in METRICS.items() if WATCH in info.sources}
    assert {name for name in said if name.endswith("_total")} == {
        name for name, kind in said.items() if kind == COUNTER
    }


def test_a_host_that_is_held_has_the_reason_and_one_that_left_has_none() -> None:
    found = samples_of(snapshots.host("a"), holds={"a": HOLD_TRIES, "gone": HOLD_TRIES})
    assert found["mlufleet_remediation_held"] == [({"host": "a", "reason": "tries"}, 1)]
    assert all(f" {reason}" in METRICS["mlufleet_remediation_held"].help for reason in HOLDS)


def test_every_sample_has_the_labels_of_the_table() -> None:
    for name, samples in read(everything()).items():
        for labels, _ in samples:
            assert set(labels) == set(METRICS[name].labels), name


def test_a_host_that_is_right_has_its_health_its_cards_and_its_endpoints() -> None:
    found = samples_of(snapshots.host("a", groups=("mlu", "rack1")))
    assert [labels["health"] for labels, on in found["mlufleet_host_health"] if on] == ["ok"]
    assert len(found["mlufleet_host_health"]) == len(HEALTHS)
    assert {labels["group"] for labels, _ in found["mlufleet_host_group"]} == {"mlu", "rack1"}
    assert found["mlufleet_cards"] == [({"host": "a", "state": "running"}, 8)]
    assert [value for _, value in found["mlufleet_endpoint_ready"]] == [1, 1]
    assert found["mlufleet_host_seen_timestamp_seconds"] == [({"host": "a"}, TAKEN)]
    assert found["mlufleet_host_seen_old"] == [({"host": "a"}, 0)]
    assert found["mlufleet_host_look_seconds"] == [({"host": "a"}, 2)]
    assert "mlufleet_problem_open" not in found and "mlufleet_stage_drift" not in found


def test_cards_are_counted_by_state() -> None:
    cards = ["CN_RUNNING", "CN_RUNNING", "dropped", "gone", "no driver", "CN_STOPPED", "x" * 900]
    look = snapshots.look("a", facts=snapshots.facts(cards=dict(zip(CARDS, cards, strict=False))))
    found = samples_of(snapshots.host("a", last=look))["mlufleet_cards"]
    counts = {labels["state"]: value for labels, value in found}
    assert counts == {"running": 2, "dropped": 1, "gone": 1, "no driver": 1, "other": 2}


@pytest.mark.parametrize("last", [None, snapshots.unreachable("a")])
def test_a_host_that_was_never_probed_has_neither_cards_nor_endpoints(last: Any) -> None:
    found = samples_of(HostSnapshot("a", last=last))
    assert "mlufleet_host_health" in found
    for absent in ("cards", "driver_info", "endpoint_ready", "host_seen_timestamp_seconds"):
        assert f"mlufleet_{absent}" not in found
    assert ("mlufleet_host_look_timestamp_seconds" in found) is (last is not None)


def test_what_the_last_look_did_not_see_is_not_said_to_be_so_now() -> None:
    state = snapshots.opened(UNREACHABLE.upper())
    probed = snapshots.look("a", TAKEN - 900)
    gone = snapshots.host("a", state, probed=probed, last=snapshots.unreachable("a"))
    found = samples_of(gone)
    assert found["mlufleet_host_seen_timestamp_seconds"] == [({"host": "a"}, TAKEN - 900)]
    assert found["mlufleet_host_look_timestamp_seconds"] == [({"host": "a"}, TAKEN)]
    assert found["mlufleet_host_seen_old"] == [({"host": "a"}, 1)]
    counts = {labels["state"]: value for labels, value in found["mlufleet_cards"]}
    assert counts == {"running": 0, "unseen": 8}
    assert [value for _, value in found["mlufleet_endpoint_ready"]] == [0, 0]
    assert found["mlufleet_driver_info"][0][0]["driver"] == "5.10.22"


def test_drift_is_told_by_stage() -> None:
    look = snapshots.look("a", drift={"driver": ["one", "two"], "image of chat": ["load"]})
    found = samples_of(snapshots.host("a", last=look))["mlufleet_stage_drift"]
    assert {labels["stage"]: value for labels, value in found} == {"driver": 2, "image of chat": 1}


def test_a_reboot_is_told_by_its_time_and_is_no_open_problem() -> None:
    state = snapshots.opened(REBOOTED, opened=None)
    found = samples_of(snapshots.host("a", state))
    assert found["mlufleet_host_rebooted_timestamp_seconds"] == [({"host": "a"}, TAKEN)]
    assert "mlufleet_problem_open" not in found


def test_only_confirmed_problems_are_open() -> None:
    seen_once = snapshots.opened("CARD_DROPPED", CARDS[0], opened=None)
    assert "mlufleet_problem_open" not in samples_of(snapshots.host("a", seen_once))
    found = samples_of(snapshots.host("a", snapshots.opened("CARD_DROPPED", CARDS[0], TAKEN - 99)))
    labels = {"host": "a", "code": "CARD_DROPPED", "subject": CARDS[0]}
    assert found["mlufleet_problem_open"] == [(labels, 1)]
    assert found["mlufleet_problem_first_seen_timestamp_seconds"] == [(labels, TAKEN - 99)]
    assert "mlufleet_problem_flapping" not in found


@pytest.mark.parametrize("opened", [None, TAKEN])
def test_a_flapping_problem_is_told_while_it_is_away_too(opened: float | None) -> None:
    state = snapshots.opened("UNREACHABLE", opened=opened, is_flapping=True)
    found = samples_of(snapshots.host("a", state))
    assert ("mlufleet_problem_open" in found) is (opened is not None)
    (flapping,) = found["mlufleet_problem_flapping"]
    assert flapping == ({"host": "a", "code": "UNREACHABLE", "subject": ""}, 1)


@pytest.mark.parametrize("subject", [CARDS[0], "chat/0", "driver", "image of chat", "chat"])
def test_a_card_an_endpoint_a_stage_and_a_release_are_subjects(subject: str) -> None:
    found = samples_of(snapshots.host("a", snapshots.opened("DRIFT", subject)))
    assert found["mlufleet_problem_open"][0][0]["subject"] == subject


@pytest.mark.parametrize("subject", ["12 bytes at /var", "x" * 65, "a\n", 'a"} 1'])
def test_a_subject_that_can_be_anything_is_left_out(subject: str) -> None:
    found = samples_of(snapshots.host("a", snapshots.opened("NO_SPACE", subject)))
    assert found["mlufleet_problem_open"][0][0]["subject"] == ""


def test_a_host_in_no_group_is_in_a_join_with_the_groups() -> None:
    assert samples_of(snapshots.host("a"))["mlufleet_host_group"] == [
        ({"host": "a", "group": ""}, 1)
    ]


def test_a_host_cannot_make_series_without_end() -> None:
    problems = (Problem("CARD_DROPPED", f"0000:{n:03x}:00.0") for n in range(500))
    tracked = {one.key: TrackedProblem(one, n, TAKEN, TAKEN) for n, one in enumerate(problems)}
    found = samples_of(snapshots.host("a", HostState(tracked)))
    assert len(found["mlufleet_problem_open"]) == MAX_SUBJECTS + 1
    (rest,) = [
        value
        for labels, value in found["mlufleet_problem_first_seen_timestamp_seconds"]
        if not labels["subject"]
    ]
    assert rest == MAX_SUBJECTS  # of the oldest of the others


@given(name=ANY_TEXT, driver=ANY_TEXT, model=ANY_TEXT)
def test_whatever_a_host_says_is_the_text_of_a_label(name: str, driver: str, model: str) -> None:
    endpoint = {**snapshots.ENDPOINT, "name": "0", "model": model}
    facts = snapshots.facts(versions={"driver": driver}, endpoints=[endpoint])
    found = samples_of(snapshots.host(name, last=snapshots.look(name, facts=facts)))
    (info,) = found["mlufleet_driver_info"]
    (ready,) = found["mlufleet_endpoint_ready"]
    said = (info[0]["host"], info[0]["driver"], ready[0]["model"])
    for label, text in zip(said, map(sanitize.escape_line, (name, driver, model)), strict=True):
        assert len(label) <= MAX_LABEL_CHARACTERS
        assert label == text or text.startswith(label.removesuffix("…"))


def test_a_long_text_of_a_host_is_cut() -> None:
    look = snapshots.look("a", facts=snapshots.facts(versions={"kernel": "k" * 100_000}))
    ((labels, _),) = samples_of(snapshots.host("a", last=look))["mlufleet_driver_info"]
    assert len(labels["kernel"]) == MAX_LABEL_CHARACTERS


def test_texts_that_become_the_same_label_are_one_sample() -> None:
    """Prometheus takes no page that has a sample twice."""
    models = [("k" * 200 + end) for end in "ab"]
    endpoints = [{**snapshots.ENDPOINT, "name": "0", "model": model} for model in models]
    look = snapshots.look("a", facts=snapshots.facts(endpoints=endpoints))
    found = samples_of(snapshots.host("a", last=look))
    assert len(found["mlufleet_endpoint_ready"]) == 1


@pytest.mark.parametrize("error", ["reload_error", "store_error"])
def test_errors_of_the_watch_are_told_without_their_text(error: str) -> None:
    assert samples_of()[f"mlufleet_watch_{error}"] == [({}, 0)]
    snapshot = replace(snapshots.snapshot(), **{error: "inventory:3: wrong\n"})
    assert read(snapshot)[f"mlufleet_watch_{error}"] == [({}, 1)]
    assert b"wrong" not in render_metrics(snapshot)


def test_looks_are_counted_by_outcome_from_the_start_on() -> None:
    found = samples_of(snapshots.host("a"))
    looks = {labels["outcome"]: value for labels, value in found["mlufleet_looks_total"]}
    assert looks == {**dict.fromkeys(OUTCOMES, 0), "seen": 24}
    assert ({"outcome": "seen"}, 48) in found["mlufleet_look_seconds_total"]


@pytest.mark.parametrize("count", [300, 2000])
def test_a_host_with_two_endpoints_has_thirty_series_at_most(count: int) -> None:
    lines = render_metrics(snapshots.fleet(count)).decode().splitlines()
    assert sum(not line.startswith("#") for line in lines) <= 30 * count
    assert f'mlufleet_hosts{{health="ok"}} {count * 0.9}' in lines
    assert f'mlufleet_hosts{{health="broken"}} {count * 0.1}' in lines
