from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mlufleet.watch.history_charts import (
    BOX_HEIGHT,
    DAY,
    MAX_SHARE,
    WEEK,
    Period,
    build_charts,
    list_spans,
)
from mlufleet.watch.problems import Change, HostState, Problem
from mlufleet.watch.snapshot import HostSnapshot
from tests import watched
from tests.watched import NOW

HOUR = 3600.0


def health(hours_ago: float, now: str, was: str, since_hours: float, host: str = "a") -> Change:
    problem = Problem("HEALTH", now, f"{now}, was {was}")
    return Change(NOW - hours_ago * HOUR, host, "health", problem, NOW - since_hours * HOUR)


def at(name: str, now: str, since_hours: float) -> HostSnapshot:
    return HostSnapshot(name, (), HostState(health=now, since=NOW - since_hours * HOUR))


def area(path: str) -> float:
    """Area under the path's upper edge, in buckets: it is stacked on nothing."""
    ups = re.findall(r"V([\d.]+)h1", path)
    return sum(BOX_HEIGHT - float(up) for up in ups) / (BOX_HEIGHT * MAX_SHARE)


def test_spans_of_a_host_follow_each_other_up_to_now() -> None:
    changes = [health(5, "broken", "ok", 40), health(3, "ok", "broken", 5)]
    spans = list(list_spans(at("a", "ok", 3), changes, NOW))
    hours = [(word, (NOW - since) / HOUR, (NOW - until) / HOUR) for word, since, until in spans]
    assert hours == [("ok", 3, 0), ("broken", 5, 3), ("ok", 40, 5)]


def test_a_host_without_a_change_is_what_it_is_since_when_it_is_that() -> None:
    assert list(list_spans(at("a", "broken", 4), [], NOW)) == [("broken", NOW - 4 * HOUR, NOW)]
    assert list(list_spans(HostSnapshot("a"), [], NOW)) == []


@pytest.mark.parametrize(("period", "buckets"), [(DAY, 8), (WEEK, 2)])
def test_a_layer_is_in_every_bucket_that_it_touches(period: Period, buckets: int) -> None:
    fleet = watched.fleet(0, hosts={"a": at("a", "ok", 3), "b": at("b", "ok", 999)})
    changes = [health(5, "broken", "ok", 40), health(3, "ok", "broken", 5)]
    charts = {chart.title: chart for chart in build_charts(fleet, changes)}
    chart = charts[f"Hosts that are not ok, last {period.title}"]
    assert chart.layers.keys() == {"broken"} and chart.top == "at most 1 of 2"
    assert area(chart.layers["broken"]) == pytest.approx(buckets, rel=0.01)


def test_a_short_outage_has_its_full_height_and_no_host_counts_twice() -> None:
    hosts = {name: at(name, "ok", 1.9) for name in "abcd"}
    told = [("degraded", "ok", 2.0), ("broken", "degraded", 1.95), ("ok", "broken", 1.9)]
    changes = [
        health(hours, now, was, hours + 1, name) for name in hosts for now, was, hours in told
    ]
    for chart in build_charts(watched.fleet(0, hosts=hosts), changes)[::2]:
        assert chart.top == "at most 4 of 4"
        assert sum(area(path) for path in chart.layers.values()) == pytest.approx(1, rel=0.01)


def test_what_began_before_the_chart_fills_it_and_what_ended_before_is_not_in_it() -> None:
    fleet = watched.fleet(0, hosts={"a": at("a", "unreachable", 400), "b": at("b", "ok", 30)})
    changes = [health(30, "ok", "broken", 80, "b")]
    day, _, week, _ = build_charts(fleet, changes)
    assert day.layers.keys() == {"unreachable"} and week.layers.keys() == {"broken", "unreachable"}
    assert area(day.layers["unreachable"]) == pytest.approx(DAY.buckets, rel=0.02)


def test_openings_are_counted_and_other_changes_are_not() -> None:
    problem = Problem("CODE")
    changes = [
        Change(NOW - hours * HOUR, "a", kind, problem, NOW)
        for hours, kind in ((1, "opened"), (1.1, "opened"), (30, "opened"), (2, "resolved"))
    ]
    _, day, _, week = build_charts(watched.fleet(1), changes)
    assert day.top.startswith("2,") and week.top.startswith("3,")


def test_nothing_wrong_draws_nothing() -> None:
    charts = build_charts(watched.fleet(1), [])
    assert [chart.layers for chart in charts] == [{}] * 4
    assert {chart.top for chart in charts} == {"none"}


def test_marks_are_within_the_chart() -> None:
    for chart in build_charts(watched.fleet(1), []):
        assert 3 <= len(chart.ticks) <= 8 and all(0 < place < 100 for place, _ in chart.ticks)
    assert build_charts(watched.fleet(1, started=NOW - 86400 * 30), [])[0].started is None


def test_a_clock_that_jumped_breaks_no_chart() -> None:
    fleet = watched.fleet(5)
    changes = watched.changes(fleet)
    for moment in (NOW - 86400 * 3, NOW + 86400 * 30):
        assert len(build_charts(replace(fleet, taken=moment), changes)) == 4


def test_time_of_which_no_look_is_known_is_told_apart_from_time_without_a_problem() -> None:
    fleet = watched.fleet(0, hosts={"a": at("a", "ok", 6), "b": HostSnapshot("b")})
    assert [chart.unseen for chart in build_charts(fleet, [])] == [75, 75, 96.43, 96.43]
    told = [health(6, "ok", "broken", 18)]
    assert build_charts(fleet, told)[0].unseen == 25
    assert {chart.unseen for chart in build_charts(watched.fleet(0), [])} == {100}
