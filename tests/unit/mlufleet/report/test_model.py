"""What other versions of the project wrote is read, and report.json is what its schema says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.error_codes import FAILURE_TABLE
from mlufleet.journal import events, journal
from mlufleet.reference.report_schema import render_schema
from mlufleet.report import exports, html, junit, publish
from mlufleet.report.derive import derive_from_journal, write_report
from mlufleet.report.model import SCHEMA_VERSION, HostReport, Report, parse_report
from tests.journals import read_events

ROOT = Path(__file__).resolve().parents[4]
#: journals and reports that earlier versions wrote
EARLIER = Path(__file__).parent / "earlier"
RUNS = sorted(path.parent for path in EARLIER.glob("2*/journal.jsonl"))


def derive_as_then(folder: Path) -> dict[str, Any]:
    """The report of an earlier journal, without what no version knew then."""
    report: dict[str, Any] = json.loads(derive_from_journal(folder).to_json())
    assert (report.pop("unproved"), report.pop("language")) == ({}, "")
    path = report.pop("critical_path")
    assert path is None or path["host"] in report["hosts"]
    if report["rollout"]:
        assert report["rollout"].pop("serving") is None
    for host in report["hosts"].values():
        assert (host.pop("left"), host.pop("audit_log"), host.pop("reused")) == ([], "", 0)
        assert (host.pop("endpoints"), host.pop("quarantine")) == ([], None)
        assert set(host.pop("parts")) <= {"wire", "load", "weights", "smoke"}
        if host["failure"]:
            action = FAILURE_TABLE[host["failure"]["code"]].action
            assert host["failure"].pop("action") == action
    return report


def without_notes(report: dict[str, Any]) -> dict[str, Any]:
    """The report without sentences, which may be worded otherwise."""
    hosts = {name: {**host, "notes": []} for name, host in report["hosts"].items()}
    return {**report, "hosts": hosts}


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_an_earlier_journal_gives_the_report_that_it_gave_then(folder: Path) -> None:
    report = derive_as_then(folder)
    then = json.loads((folder / "report.json").read_text())
    assert without_notes(report) == without_notes(then)


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_report_json_keeps_its_keys_in_their_order(folder: Path) -> None:
    def keys(value: Any) -> Iterator[tuple[str, ...]]:
        if isinstance(value, dict):
            yield tuple(value)
        for inner in value.values() if isinstance(value, dict) else ():
            yield from keys(inner)

    then = json.loads((folder / "report.json").read_text())
    assert [*keys(derive_as_then(folder))] == [*keys(then)]
    assert then["schema"] == SCHEMA_VERSION


@pytest.mark.parametrize("path", sorted(EARLIER.glob("**/report*.json")), ids=str)
def test_an_earlier_report_is_read_and_rendered(path: Path) -> None:
    written = json.loads(path.read_text())
    report = parse_report(written)
    assert report.schema == written["schema"] and report.exit == written["exit"]
    for name, host in written["hosts"].items():
        read = report.hosts[name]
        assert (read.status, len(read.stages)) == (host["status"], len(host["stages"]))
        assert read.versions == host["versions"] and read.cards == host["cards"]
        assert (read.failure.code if read.failure else None) == (host["failure"] or {}).get("code")
    for text in (html.render_page(report, report), junit.render_xml(report)):
        assert all(name in text for name in written["hosts"])
    assert {row["host"] for row in exports.card_rows(report)} == set(written["hosts"])
    assert exports.render_prometheus(report)


def test_a_report_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    shutil.copytree(RUNS[-1], tmp_path / RUNS[-1].name)
    report = write_report(tmp_path / RUNS[-1].name)
    written = (tmp_path / "latest/report.json").read_text()
    assert parse_report(json.loads(written)) == report and report.to_json() == written
    publish.write_exports(report, tmp_path / RUNS[-1].name)


def test_the_schema_in_docs_is_that_of_the_report() -> None:
    assert (ROOT / "docs/report.schema.json").read_text() == render_schema(), "run `make docs`"


def test_the_schema_describes_every_key() -> None:
    schema = json.loads(render_schema())
    for name, definition in {"Report": schema, **schema["$defs"]}.items():
        for key, field in definition["properties"].items():
            assert field["description"], f"{name}.{key}"
    assert set(schema["properties"]) == set(vars(Report()))


@pytest.mark.parametrize("kind", sorted(events.EVENT_TYPES))
def test_an_event_is_the_same_when_it_is_read_again(kind: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "str": "x",
        "int": 1,
        "float": 1.5,
        "bool": True,
        "list[str]": ["x"],
        "list[int]": [0, 1],
        "dict[str, str]": {"a": "b"},
        "dict[str, int]": {"a": 1},
        "dict[str, float]": {"a": 1.5},
        "dict[str, str | int]": {"a": "b", "cards": 2},
        "dict[str, list[str]]": {"a": ["b"]},
        "dict[str, Any]": {"kind": "rollout"},
        "float | None": 2.5,
        "str | None": "y",
        "LockRecord | None": events.LockRecord(run="r", age=3),
        "FailureRecord | None": events.FailureRecord(code="ENGINE", tail=["x"]),
        "list[LeftRecord]": [events.LeftRecord("/data/x", "edited")],
        "list[EndpointRecord]": [events.EndpointRecord("small", "0", cards=[1], ready_s=2.5)],
        "dict[str, ValidationRecord]": {"t": events.ValidationRecord("PASSED", "", {"r": 1.5})},
    }
    event_type = events.EVENT_TYPES[kind]
    fields = {
        name: values[str(field.type)]
        for name, field in event_type.__dataclass_fields__.items()
        if name not in ("kind", "time", "__pydantic_config__")
    }
    written = journal.Journal(tmp_path / "run")
    written.append(event_type(**fields))
    last = read_events(tmp_path / "run")[-1]
    assert type(last) is event_type
    assert {**vars(last), "time": 0} == {**vars(event_type(**fields)), "time": 0}


def test_what_a_newer_version_wrote_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"time": 1, "kind": "run", "host": "", "version": "9"},
        {"time": 2, "kind": "hosts", "host": "", "names": ["a"], "colors": ["red"]},
        {"time": 3, "kind": "teleported", "host": "a", "to": "the moon"},
        {
            "time": 4,
            "kind": "observed",
            "host": "a",
            "needs": [],
            "versions": {"driver": "9"},
            "lock": {
                "run": "r",
                "operator": "o",
                "since": "s",
                "why": "w",
                "lease": 1,
                "age": 2,
                "color": "red",
            },
            "moons": 3,
        },
    ]
    (tmp_path / "journal.jsonl").write_text("\n".join(map(json.dumps, lines)))
    report = derive_from_journal(tmp_path)
    assert list(report.hosts) == ["a"] and report.hosts["a"].status == "ok"
    assert report.hosts["a"].lock == events.LockRecord("r", "o", "s", "w", 1, 2)


def test_a_code_that_was_renamed_has_its_name_of_today(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"time": 1, "kind": "hosts", "host": "", "names": ["a"]},
        {
            "time": 2,
            "kind": "failed",
            "host": "a",
            "stage": "rollback",
            "code": "NO_WAY_BACK",
            "sentence": "s",
            "remedy": "r",
            "tail": [],
        },
    ]
    (tmp_path / "journal.jsonl").write_text("\n".join(map(json.dumps, lines)))
    failure = derive_from_journal(tmp_path).hosts["a"].failure
    assert failure is not None and failure.code == "NO_ROLLBACK_TARGET"


@pytest.mark.parametrize(
    ("status", "has_failed", "has_passed"),
    [
        ("changed", False, True),
        ("rolled back", False, True),
        ("rolled back", True, False),
        ("failed", True, False),
        ("not started", False, False),
    ],
)
def test_a_host_has_passed_if_it_is_what_was_asked_for(
    status: str, has_failed: bool, has_passed: bool
) -> None:
    """A rollback that was asked for passes; one that followed a failure does not."""
    failure = events.FailureRecord(code="ENGINE") if has_failed else None
    assert HostReport(status=status, failure=failure).has_passed is has_passed
