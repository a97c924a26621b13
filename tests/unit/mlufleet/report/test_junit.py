from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as xml

from hypothesis import given

from mlufleet.report import junit
from mlufleet.report.model import parse_report
from operations.stage_order import RETIREMENT_ORDER, STAGE_ORDER
from tests.reports import fleet
from tests.unit.fuzz import ANY_TEXT

FAILURE = {
    "stage": "driver",
    "code": "DRIVER_INSTALL",
    "sentence": "it failed",
    "remedy": "do this",
    "tail": ["line one", "line <two>"],
}
BEGUN = [
    {"stage": "preflight", "seconds": 1.5, "changes": []},
    {"stage": "lock", "seconds": 0.5, "changes": ["take the lock"]},
]


def suite(**host: Any) -> xml.Element:
    """The suite of a fleet's only host."""
    root = xml.fromstring(junit.render_xml(parse_report({"run": "r", "hosts": {"a": host}})))
    (only,) = root
    return only


def results(of: xml.Element) -> dict[str, str]:
    """Stage -> what became of it, "" for passed."""
    tags = ("failure", "error", "skipped")
    return {
        case.get("name", ""): next((t for t in tags if case.find(t) is not None), "")
        for case in of.findall("testcase")
    }


def test_a_host_is_a_suite_and_a_stage_a_case() -> None:
    stages = [{"stage": stage, "seconds": 2.0, "changes": []} for stage in STAGE_ORDER]
    only = suite(status="changed", stages=stages)
    assert only.get("name") == "a" and results(only) == dict.fromkeys(STAGE_ORDER, "")
    assert only.get("time") == f"{2 * len(STAGE_ORDER)}.000"


def test_a_validation_that_did_not_run_has_not_passed() -> None:
    tests = {
        plugin: {"verdict": verdict, "why": "so"}
        for plugin, verdict in (("software", "PASSED"), ("pcie", "FAILED"), ("mlulink", "SKIPPED"))
    }
    assert results(suite(status="ok", validation=tests)) == {
        "host": "",
        "validation: software": "",
        "validation: pcie": "failure",
        "validation: mlulink": "skipped",
    }


def test_a_failure_has_code_remedy_and_tail_and_what_came_after_is_skipped() -> None:
    only = suite(status="failed", stages=BEGUN, failure=FAILURE)
    assert results(only) == {"preflight": "", "lock": "", "driver": "failure"} | dict.fromkeys(
        STAGE_ORDER[3:], "skipped"
    )
    failure = only.find(".//failure")
    assert failure is not None and failure.get("type") == "DRIVER_INSTALL"
    assert failure.text == "it failed\nremedy: do this\nline one\nline <two>"


def test_a_stage_that_was_noted_before_it_failed_is_one_case() -> None:
    struck = [*BEGUN, {"stage": "driver", "seconds": 9.0, "changes": []}]
    only = suite(status="failed", stages=struck, failure=FAILURE)
    assert [c.get("name") for c in only.findall("testcase")].count("driver") == 1
    assert results(only)["driver"] == "failure"


def test_an_unreachable_host_is_an_error() -> None:
    only = suite(status="unreachable", failure={**FAILURE, "stage": "connect"})
    assert results(only)["connect"] == "error" and only.get("errors") == "1"
    assert results(suite(status="unreachable"))["host"] == "error"


def test_a_host_that_was_not_started_is_one_skipped_case() -> None:
    assert results(suite(status="not started")) == {"host": "skipped"}


def test_a_host_that_needed_nothing_passes_and_one_without_a_reason_does_not() -> None:
    assert results(suite(status="ok")) == {"host": ""}
    assert results(suite(status="failed"))["host"] == "failure"


def test_a_host_that_was_left_for_another_time_did_not_fail() -> None:
    only = suite(status="skipped", stages=BEGUN, failure={**FAILURE, "code": "CARD_BUSY"})
    assert only.get("failures") == "0" and results(only)["driver"] == "skipped"


def test_the_numbers_add_up_to_the_cases() -> None:
    root = xml.fromstring(junit.render_xml(parse_report(fleet(60))))
    assert len(root) == 60
    assert int(root.get("tests", 0)) == len(root.findall(".//testcase"))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(root.get(count, 0)) == len(root.findall(f".//{tag}")) > 0


@given(text=ANY_TEXT)
def test_whatever_a_host_says_the_document_is_read_by_a_parser(text: str) -> None:
    fault = {**FAILURE, "sentence": text, "tail": [text, "\x00\x1b[31m\ufffe\ud800"]}
    root = xml.fromstring(
        junit.render_xml(
            parse_report({"run": text, "hosts": {text: {"status": "failed", "failure": fault}}})
        ).encode()
    )
    failure = root.find(".//failure")
    assert failure is not None and (failure.text or "").endswith(r"\x00\x1b[31m\ufffe\ud800")


def test_a_retired_host_passes_and_says_what_stays() -> None:
    stages = [{"stage": "containers", "seconds": 2.0, "changes": ["remove container x"]}]
    left = [{"what": "/data/<x>", "why": "edited"}]
    only = suite(status="retired", stages=stages, left=left)
    assert results(only) == {"containers": ""}
    assert (only.findtext("system-out") or "").endswith("/data/<x>: edited")


def test_a_retirement_that_fails_did_not_reach_its_own_steps() -> None:
    failure = {**FAILURE, "stage": "containers", "code": "NOT_RETIRED"}
    host = {"status": "failed", "failure": failure}
    report = parse_report({"run": "r", "kind": "retirement", "hosts": {"a": host}})
    (only,) = xml.fromstring(junit.render_xml(report))
    missing = dict.fromkeys(RETIREMENT_ORDER, "skipped")
    assert results(only) == {**missing, "containers": "failure"}
