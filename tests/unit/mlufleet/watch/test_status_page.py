from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.quarantine import Quarantine
from mlufleet.journal.events import FailureRecord
from mlufleet.watch.decision import DONE, NONE, RESTART, Decision
from mlufleet.watch.observation import SEEN, UNREACHABLE, Observation
from mlufleet.watch.problems import Change, HostState, Problem, TrackedProblem
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot
from mlufleet.watch.status_page import (
    MAX_LISTED_CHANGES,
    list_changes,
    list_troubles,
    render_status_page,
)
from mlufleet.watch.status_rows import (
    MAX_LISTED_ENDPOINTS,
    NOT_SEEN,
    HostRow,
    Total,
    count_totals,
    list_card_states,
    list_endpoints,
    list_rows,
)
from tests import snapshots, watched
from tests.unit.fuzz import ANY_TEXT
from tests.unit.seen_page import Seen
from tests.watched import EVERY_S, NOW

EVIL = "</pre></title></svg></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'"


def page(snapshot: FleetSnapshot) -> str:
    return render_status_page(snapshot, watched.changes(snapshot), watched.RUNS)


def broken(name: str, *problems: Problem, **fields: Any) -> HostSnapshot:
    """A host with these problems, opened by its last two looks."""
    tracked = {one.key: TrackedProblem(one, NOW - 400, NOW - 100, NOW - 100) for one in problems}
    state = HostState(tracked, "b", NOW - 100, NOW - 100, "broken", NOW - 100)
    looked = Observation(name, NOW - 101, NOW - 100, SEEN, **fields)
    return HostSnapshot(name, (), state, looked, looked)


def of(*hosts: HostSnapshot, **fields: Any) -> FleetSnapshot:
    return watched.fleet(0, hosts={host.name: host for host in hosts}, **fields)


@pytest.mark.parametrize("size", [1, 5, 60, 500])
def test_every_host_is_a_cell_and_a_row_and_ids_are_unique(size: int) -> None:
    seen = Seen(page(watched.fleet(size)))
    cells = [a for _, a in seen.tags if "cell" in (a.get("class") or "").split()]
    rows = [a for tag, a in seen.tags if tag == "tr" and a.get("data-status")]
    assert len(cells) == len(rows) == size
    ids = seen.ids()
    assert len(ids) == len(set(ids)) and {f"#{i}" for i in ids} >= {a["href"] for a in cells}


def test_the_page_of_five_hundred_hosts_stays_small() -> None:
    assert len(page(watched.fleet(500)).encode()) < 400_000
    faults = [Problem("CARD_UNHEALTHY", f"card {number}", "E" * 80, "R") for number in range(8)]
    assert len(page(of(*(broken(f"mlu{i}", *faults) for i in range(500)))).encode()) < 500_000


def test_it_loads_nothing_and_asks_only_for_itself() -> None:
    text = page(watched.fleet(5))
    seen = Seen(text)
    assert not any({"src", "srcset", "action", "formaction"} & a.keys() for _, a in seen.tags)
    assert {tag for tag, _ in seen.tags}.isdisjoint({"link", "img", "iframe", "object"})
    links = [a["href"] for tag, a in seen.tags if tag == "a"]
    assert links and all((link or "").startswith("#") for link in links)
    policy = next(
        a["content"] for _, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy and "default-src 'none'" in policy and "connect-src 'self'" in policy
    assert "unsafe" not in policy and "form-action 'none'" in policy


def test_it_comes_again_without_javascript_too() -> None:
    text = page(watched.fleet(1))
    assert re.search(r'<noscript><meta http-equiv="refresh" content="\d+"></noscript>', text)
    assert re.search(r'<body data-refresh="\d+">', text)


@pytest.mark.parametrize(
    ("healths", "verdict", "css_class"),
    [
        ([], "The inventory has no hosts", "waiting"),
        (["unknown"] * 2, "No host has been looked at yet", "waiting"),
        (["ok"] * 3, "Nothing wrong on 3 hosts", "good"),
        (["ok"], "Nothing wrong on 1 host", "good"),
        (["ok", "busy"], "Nothing wrong, 1 of 2 hosts being worked on", "good"),
        (["ok", "unknown"], "Nothing wrong on 1 of 2 hosts, 1 not looked at yet", "good"),
        (["degraded", "ok", "broken"], "1 broken, 1 degraded of 3 hosts", "bad"),
        (["unreachable"], "1 unreachable of 1 host", "bad"),
    ],
)
def test_the_verdict_says_what_was_seen(healths: list[str], verdict: str, css_class: str) -> None:
    chance = watched.random.Random(1)
    hosts = [watched.host(chance, f"a{i}", health) for i, health in enumerate(healths)]
    text = page(of(*hosts, started=NOW - 10))
    assert f'aria-live="polite">{verdict}</h1>' in text
    assert f'<header id="top" class="{css_class}">' in text


def test_looks_that_are_late_are_a_trouble_of_the_watch_and_not_of_the_hosts() -> None:
    snapshot = watched.fleet(5, taken=NOW + 14 * 60)
    text = page(snapshot)
    assert 'class="bad"' in text and "No host was looked at for 14 min" in text
    (trouble,) = list_troubles(snapshot, list_rows(snapshot))
    assert "5 of 5" in trouble[0] and "mlu[001-005]" in trouble[0]


def test_a_host_is_late_only_after_the_time_that_its_looks_may_take() -> None:
    chance = watched.random.Random(1)
    one = watched.host(chance, "a", "ok")
    looked = one.state.last_look or 0
    for late_s, is_stale in ((2 * EVERY_S + 59, False), (2 * EVERY_S + 61, True)):
        (row,) = list_rows(of(one, taken=looked + late_s))
        assert row.is_stale is is_stale
    never = watched.host(chance, "b", "unknown")
    assert [list_rows(of(never, started=NOW - age))[0].is_stale for age in (60, 900)] == [
        False,
        True,
    ]


def test_errors_of_the_watch_are_told() -> None:
    snapshot = watched.fleet(1, reload_error="fleet.py:3: no <name>", store_error="disk full")
    snapshot = replace(snapshot, notice_errors={"ops": "HTTP status 500", "noc": ""})
    text = page(snapshot)
    assert "do not reach ops: HTTP status 500" in text and "reach noc" not in text
    assert "fleet.py:3: no &lt;name&gt;" in text and "disk full" in text and 'class="bad"' in text


def test_cards_and_endpoints_of_a_host_that_does_not_answer_count_as_unseen() -> None:
    chance = watched.random.Random(1)
    hosts = [watched.host(chance, "a", "ok"), watched.host(chance, "b", "unreachable")]
    rows = list_rows(of(*hosts))
    cards, others = (len(row.facts.cards) if row.facts else 0 for row in rows)
    assert count_totals(rows) == {
        "cards run": Total(cards, cards, others),
        "endpoints ready": Total(2, 2, 2),
    }
    assert [(state, names) for state, _, _, names in list_card_states(rows)] == [
        (NOT_SEEN, ["b"]),
        ("CN_RUNNING", ["a"]),
    ]
    assert [row.host.name for row, _ in list_endpoints(rows).listed] == ["b", "b", "a", "a"]


def test_many_endpoints_are_counted_and_those_that_are_not_ready_are_listed() -> None:
    rows = list_rows(watched.fleet(500))
    found = list_endpoints(rows)
    assert found.total == 1000 and 0 < len(found.listed) < MAX_LISTED_ENDPOINTS
    assert not any(one.is_ready and row.is_current for row, one in found.listed)
    assert sum(one.count for one in found.counted.values()) + len(found.listed) == 1000


def test_the_same_problem_of_many_hosts_is_told_once() -> None:
    text = page(of(*(broken(f"mlu{i}", watched.PROBLEMS["broken"]) for i in range(300))))
    assert text.count("the driver does not see it</summary>") <= 1
    assert text.count(watched.PROBLEMS["broken"].remedy) == 1
    assert (
        "<b>mlu[0-299]</b>" in text
        and "and 250 more</p>" in text
        and "<small>300 hosts, suggested action <b>" in text
    )


def test_different_problems_of_one_code_are_limited_and_the_rest_is_counted() -> None:
    hosts = [broken(f"mlu{i}", Problem("CODE", "", f"fault {i}", "do this")) for i in range(100)]
    text = page(of(*hosts))
    assert text.count("<details data-key=") == 20 and "Other details on 80 hosts" in text


def test_what_failed_is_shown_with_its_last_lines() -> None:
    problem = Problem("DRIVER_INSTALL", "", "it does not build", "read the log")
    failure = FailureRecord("driver", "DRIVER_INSTALL", "", "", ["make: *** Error 2"])
    assert "make: *** Error 2" in page(of(broken("a", problem, failure=failure)))


def test_a_problem_that_only_one_look_saw_is_not_told_as_one() -> None:
    one = broken("a", Problem("CODE", "", "a sentence"))
    pending = {key: replace(each, opened=None) for key, each in one.state.problems.items()}
    text = page(of(replace(one, state=replace(one.state, problems=pending, health="ok"))))
    assert "a sentence" not in text and "to be confirmed" in text and "Nothing wrong" in text


def test_hostile_text_stays_text_everywhere() -> None:
    problem = Problem(EVIL, EVIL, EVIL, EVIL)
    failure = FailureRecord("x", EVIL, EVIL, EVIL, [EVIL])
    facts = watched.facts(watched.random.Random(1), "ok")
    facts["versions"] = {"release": EVIL, "driver": EVIL}
    facts["cards"] = facts["models"] = {EVIL: EVIL}
    facts["endpoints"][0] |= {"address": EVIL, "model": EVIL, "state": EVIL, "reason": EVIL}
    host = replace(broken(EVIL, problem, failure=failure, facts=facts), groups=(EVIL,))
    runs = [replace(watched.RUNS[1], run=EVIL, verdict=EVIL, counts={EVIL: 1})]
    told = [Change(NOW - 5, EVIL, kind, problem, NOW - 9, EVIL) for kind in ("opened", EVIL)]
    text = render_status_page(
        of(host, inventory=EVIL, reload_error=EVIL, store_error=EVIL, notice_errors={EVIL: EVIL}),
        told,
        runs,
    )
    tags = [tag for tag, _ in Seen(text).tags]
    assert tags.count("script") == 1 and "img" not in tags and EVIL in "".join(Seen(text).text)


@given(ANY_TEXT)
def test_no_text_breaks_the_page_or_hides_in_it(word: str) -> None:
    text = render_status_page(
        of(broken(word, Problem("CODE", word, word, word)), inventory=word), [], []
    )
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert [tag for tag, _ in Seen(text).tags].count("script") == 1


def test_a_clock_that_was_set_back_makes_no_age_negative() -> None:
    assert not re.search(r"-\d+ (s|min|h|days) ago", page(watched.fleet(5, taken=NOW - 86400)))


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=60))
def test_changes_are_grouped_and_none_is_lost_of_those_that_are_listed(codes: list[str]) -> None:
    told = [
        Change(NOW - index, f"h{index}", "opened", Problem(code), NOW)
        for index, code in enumerate(codes)
    ]
    entries = list_changes(told)
    flat = [change for entry in entries for change in entry]
    assert flat == told[: len(flat)] and len(entries) <= MAX_LISTED_CHANGES
    assert len(flat) == len(told) or len(entries) == MAX_LISTED_CHANGES


def test_a_host_that_is_worked_on_says_by_whom() -> None:
    busy = watched.host(watched.random.Random(1), "a", "busy")
    (row,) = list_rows(of(busy))
    assert isinstance(row, HostRow) and row.work == "run 20261124-101400-1 of li@ops"
    assert UNREACHABLE not in row.description


def test_what_was_decided_about_hosts_is_told_the_latest_first() -> None:
    hosts = [snapshots.host(name) for name in ("a", "b")]
    reason = "DRIFT <script>container</script>"
    decisions = {
        "a": Decision(NOW - 60, "a", RESTART, reason, ended=NOW, outcome=DONE, is_proved=True),
        "b": Decision(NOW - 30, "b", NONE, "CARD_DROPPED: POWER_CYCLE is suggested"),
        "gone": Decision(NOW, "gone", NONE, "of a host that is no longer watched"),
    }
    text = page(snapshots.snapshot(*hosts, decisions=decisions))
    _, mending = text.split('id="mending"')
    mending, _ = mending.split('id="history"')
    assert "two looks found it right" in mending and "<script>" not in mending
    assert mending.index("POWER_CYCLE is suggested") < mending.index("DRIFT")
    assert "no longer watched" not in text
    assert 'id="mending"' not in page(snapshots.snapshot(*hosts))


def test_hosts_in_quarantine_are_named_with_the_reason() -> None:
    mark = Quarantine(since="2026-11-29T09:15:00Z", by="kang@ops", reason=f"ticket {EVIL}")
    host = replace(broken("a", Problem("CARD_DROPPED")), quarantine=mark)
    text = page(of(host, broken("b", Problem("CARD_DROPPED"))))
    seen = "".join(Seen(text).text)
    assert seen.count("In quarantine") == 1 and "by kang@ops: ticket" in seen
    assert "<script>alert" not in text and text.count(">in quarantine<") == 1
    assert "In quarantine" not in page(of(broken("b", Problem("CARD_DROPPED"))))
