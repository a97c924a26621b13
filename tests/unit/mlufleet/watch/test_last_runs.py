from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlufleet.journal import journal
from mlufleet.watch import last_runs
from mlufleet.watch.last_runs import LastRuns
from tests.reports import fleet


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(journal, "RUNS", tmp_path)
    return tmp_path


def add(runs: Path, name: str, report: dict[str, Any] | str | None = None) -> Path:
    folder = runs / name
    folder.mkdir()
    (folder / journal.JOURNAL_FILE).touch()
    if report is not None:
        text = report if isinstance(report, str) else json.dumps(report)
        (folder / "report.json").write_text(text)
    return folder


def test_the_newest_runs_come_first_with_their_verdicts(runs: Path) -> None:
    for day in range(1, 15):
        add(runs, f"202611{day:02d}-000000-1", {**fleet(8), "run": f"day {day}"})
    found = LastRuns().read()
    assert [run.run for run in found] == [f"day {day}" for day in range(14, 4, -1)]
    assert found[0].verdict == "1 of 8 hosts failed" and sum(found[0].counts.values()) == 8
    assert found[0].kind == "rollout" and found[0].exit == 2


def test_a_run_without_a_report_and_one_with_a_bad_report_are_told(runs: Path) -> None:
    add(runs, "20261101-000000-1")
    for day, text in enumerate(("{", "[]", '{"hosts": {"a": {}}}', '{"hosts": 3}'), 2):
        add(runs, f"2026110{day}-000000-1", text)
    *bad, missing = LastRuns().read()
    assert "No report yet" in missing.verdict and missing.started is None
    assert len(bad) == 4 and all("cannot be read" in run.verdict for run in bad)


def test_no_folder_is_no_run(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "RUNS", runs / "none")
    assert LastRuns().read() == []


def test_a_report_is_read_again_only_when_it_has_changed(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = add(runs, "20261101-000000-1", fleet(3))
    read: list[str] = []
    parse = last_runs.parse_report
    monkeypatch.setattr(
        last_runs, "parse_report", lambda data: read.append(data["kind"]) or parse(data)
    )
    reader = LastRuns()
    assert reader.read() == reader.read() and read == ["rollout"]
    (folder / "report.json").write_text(json.dumps({**fleet(3), "kind": "rollback "}))
    assert reader.read()[0].kind == "rollback " and len(read) == 2
