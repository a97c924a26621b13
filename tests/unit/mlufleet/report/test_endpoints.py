"""Every output of a report has its endpoints, and none of a report without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import pytest

from mlufleet.report import exports, html, junit, terminal, wide_output
from mlufleet.report.model import Report, parse_report

READY = {
    "release": "glm",
    "name": "0",
    "address": "http://10.0.0.1:8000",
    "model": "tiny",
    "state": "ready",
    "restarts": 2,
    "ready_s": 12.5,
    "cold_first_token_s": 3.0,
    "first_token_s": 0.5,
    "tokens_per_s": 41.75,
}
SICK = {"release": "glm", "name": "1", "state": "failed", "code": "SERVE_CARD", "reason": "gone"}


def report(*endpoints: dict[str, Any], count: int = 1, **fields: Any) -> Report:
    host = {"status": "ok", "seen": 1e9, "endpoints": list(endpoints), **fields}
    return parse_report({"run": "r", "hosts": {f"mlu{n}": host for n in range(1, count + 1)}})


def junit_results(found: Report) -> dict[str, str]:
    """Name of an endpoint's case -> what became of it, "" for passed."""
    cases = xml.fromstring(junit.render_xml(found)).iter("testcase")
    return {
        case.get("name", ""): next((child.tag for child in case), "")
        for case in cases
        if case.get("name", "").startswith("endpoint")
    }


def test_a_report_without_endpoints_tells_of_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = report()
    terminal.print_summary(found, Path("runs/r"))
    page, metrics = html.render_page(found), exports.render_prometheus(found)
    for text in (page, metrics, junit.render_xml(found), capsys.readouterr().err):
        assert "ndpoint" not in text


def test_metrics_tell_cold_from_warm_and_leave_out_what_is_not_known() -> None:
    lines = exports.render_prometheus(report(READY, SICK)).splitlines()
    samples = [line for line in lines if line.startswith("mlufleet_endpoint")]
    glm = 'endpoint="{}",host="mlu1",model="{}",release="glm"'
    ready, sick = glm.format("0", "tiny"), glm.format("1", "")
    assert samples == [
        f"mlufleet_endpoint_ready{{{ready}}} 1.0",
        f"mlufleet_endpoint_ready{{{sick}}} 0.0",
        f"mlufleet_endpoint_restarts{{{ready}}} 2.0",
        f"mlufleet_endpoint_restarts{{{sick}}} 0.0",
        f"mlufleet_endpoint_ready_seconds{{{ready}}} 12.5",
        f'mlufleet_endpoint_first_token_seconds{{{ready},start="cold"}} 3.0',
        f'mlufleet_endpoint_first_token_seconds{{{ready},start="warm"}} 0.5',
        f"mlufleet_endpoint_tokens_per_second{{{ready}}} 41.75",
    ]


def test_only_an_endpoint_that_was_seen_ready_passes() -> None:
    loading = {**READY, "name": "2", "state": "loading"}
    assert junit_results(report(READY, SICK, loading)) == {
        "endpoint: glm/0": "",
        "endpoint: glm/1": "failure",
        "endpoint: glm/2": "skipped",
    }
    assert junit_results(report(READY, old=True)) == {"endpoint: glm/0": "skipped"}


def test_page_and_terminal_say_what_was_proved_in_this_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(wide_output.WIDE_VARIABLE, "1")
    proved = {**READY, "proved": 7.0, "proved_from": ["host", "controller"]}
    unasked = {**READY, "proved": 7.0, "proved_from": ["host"], "controller_reason": "no route"}
    for endpoint, words in (
        (READY, "unproved in this run"),
        (proved, "proved from host and controller"),
        (unasked, "proved from host (not asked from the controller: no route)"),
    ):
        terminal.print_summary(report(endpoint, SICK), tmp_path)
        said = capsys.readouterr().err
        for text in (html.render_page(report(endpoint, SICK)), said):
            assert words in text and "41.8 tokens/s" in text and "SERVE_CARD: gone" in text


def test_of_many_hosts_the_terminal_names_those_that_are_not_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.print_summary(report(READY, SICK, count=100), tmp_path)
    said = capsys.readouterr().err
    assert "mlu[1-100] (100 hosts): endpoint glm/1" in said and "glm/0" not in said
