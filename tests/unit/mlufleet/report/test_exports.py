from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families

from fleet.text import sanitize
from mlufleet.report import exports
from mlufleet.report.model import STATUSES, parse_report
from tests.reports import fleet
from tests.unit.fuzz import ANY_TEXT


def samples(report: dict[str, Any]) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Metric -> its samples, as Prometheus' own parser reads them."""
    families = text_string_to_metric_families(exports.render_prometheus(parse_report(report)))
    return {f.name: [(dict(s.labels), s.value) for s in f.samples] for f in families}


def one(**fields: Any) -> dict[str, Any]:
    return {"run": "r", "hosts": {"a": {"status": "ok", **fields}}}


def test_every_host_has_exactly_one_status() -> None:
    report = fleet(120)
    said = samples(report)["mlufleet_host_status"]
    now = {labels["host"]: labels["status"] for labels, value in said if value == 1}
    assert now == {name: host["status"] for name, host in report["hosts"].items()}
    assert sum(value for _, value in said) == 120 and len(said) == 120 * len(STATUSES)


def test_cards_are_counted_and_the_unhealthy_ones_are_not_healthy() -> None:
    said = samples(one(cards={"x": "CN_RUNNING", "y": "dropped", "z": "no driver"}))
    assert said["mlufleet_host_cards"] == [({"host": "a"}, 3)]
    assert said["mlufleet_cards_healthy"] == [({"host": "a"}, 1)]


def test_a_host_that_nobody_saw_has_no_number_of_cards() -> None:
    said = samples({"hosts": {"a": {"status": "unreachable"}}})
    assert "mlufleet_host_cards" not in said and "mlufleet_cards_healthy" not in said
    assert {"host": "a", "status": "unreachable"} in [
        labels for labels, value in said["mlufleet_host_status"] if value
    ]


def test_a_run_that_has_not_ended_is_dated_by_its_begin() -> None:
    stamp = "mlufleet_run_timestamp_seconds"
    assert samples({**fleet(1), "ended": None})[stamp] == [({}, 1_795_515_300.0)]
    assert samples({**fleet(1), "ended": 1_795_515_999.5})[stamp] == [({}, 1_795_515_999.5)]


@given(name=ANY_TEXT, driver=ANY_TEXT)
def test_whatever_a_host_says_its_labels_come_back_as_the_text_it_is(
    name: str, driver: str
) -> None:
    report = {"hosts": {name: {"status": "ok", "versions": {"driver": driver}}}}
    said = samples(report)["mlufleet_driver_info"]
    kept = [sanitize.escape_line(text) for text in (name, driver)]
    assert [(labels["host"], labels["driver"]) for labels, _ in said] == [tuple(kept)]


def test_facts_have_a_row_for_every_card_and_for_hosts_without_any() -> None:
    report = one(
        cards={"x": "CN_RUNNING"},
        serials={"x": "S1", "y": "S2"},
        models={"x": "M8"},
        versions={"driver": "5", "release": "b", "os": "o", "kernel": "k"},
    )
    report["hosts"]["b"] = {"status": "unreachable", "versions": None}
    report["hosts"]["a"] |= {"seen": 59.5, "old": True}
    same = {
        "host": "a",
        "driver": "5",
        "release": "b",
        "os": "o",
        "kernel": "k",
        "seen": "1970-01-01T00:00:59Z",
        "old": "yes",
    }
    assert exports.card_rows(parse_report(report)) == [
        {**same, "address": "x", "model": "M8", "serial": "S1", "state": "CN_RUNNING"},
        {**same, "address": "y", "model": "", "serial": "S2", "state": ""},
        dict.fromkeys(exports.COLUMNS, "") | {"host": "b"},
    ]


def test_a_card_of_a_host_with_several_releases_has_its_own() -> None:
    report = one(
        cards={"x": "CN_RUNNING", "y": "CN_RUNNING", "z": "CN_RUNNING"},
        owners={"x": "chat", "y": "code"},
        versions={"release": "chat, code"},
    )
    assert [row["release"] for row in exports.card_rows(parse_report(report))] == [
        "chat",
        "code",
        "",
    ]


@given(serial=ANY_TEXT)
def test_facts_come_back_out_of_json_and_csv(serial: str) -> None:
    report = one(cards={"x": "CN_RUNNING"}, serials={"x": serial})
    rows = exports.card_rows(parse_report(report))
    assert json.loads(exports.render_cards_json(parse_report(report))) == rows
    (read,) = csv.DictReader(
        io.StringIO(exports.render_cards_csv(parse_report(report)), newline="")
    )
    assert read["serial"].removeprefix("'") == rows[0]["serial"].removeprefix("'")


@pytest.mark.parametrize(
    "serial",
    ["=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "-1", "\t=1", "＝1", "＋1", "－1", "＠A", " =1"],
)
def test_a_spreadsheet_runs_no_formula_of_a_host(serial: str) -> None:
    assert f"'{serial[:1]}" in exports.render_cards_csv(
        parse_report(one(cards={"x": "o"}, serials={"x": serial}))
    )


def test_what_stays_on_a_host_is_a_row_of_its_own() -> None:
    left = [{"what": "=cmd()", "why": "edited"}, {"what": "driver", "remedy": "--driver"}]
    report = one(status="retired", left=left)
    assert samples(report)["mlufleet_host_left"] == [({"host": "a"}, 2)]
    rows = list(csv.DictReader(io.StringIO(exports.render_left_csv(parse_report(report)))))
    assert [tuple(row.values()) for row in rows] == [
        ("a", "'=cmd()", "edited", ""),
        ("a", "driver", "", "'--driver"),
    ]
    assert "mlufleet_host_left" not in samples(one())
