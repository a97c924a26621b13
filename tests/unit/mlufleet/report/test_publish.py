"""What a run reads of the runs before it."""

from __future__ import annotations

import json
from pathlib import Path

from mlufleet.journal import journal
from mlufleet.journal.events import RolloutStarted, RunEnded
from mlufleet.report.publish import previous_report


def report(runs: Path, name: str, *hosts: str, dry: bool = False) -> Path:
    folder = runs / name
    folder.mkdir()
    said = {"run": name, "dry": dry, "hosts": {host: {"status": "ok"} for host in hosts}}
    (folder / "report.json").write_text(json.dumps(said))
    return folder


def test_changes_are_told_since_the_last_run_that_had_one_of_the_hosts(tmp_path: Path) -> None:
    report(tmp_path, "20260101-000000-1", "a", "b")
    report(tmp_path, "20260102-000000-1", "c")
    report(tmp_path, "20260103-000000-1", "a", dry=True)
    now = report(tmp_path, "20260104-000000-1", "b", "d")
    found = previous_report(now, ["b", "d"])
    assert found and found.run == "20260101-000000-1"
    assert previous_report(now, ["d"]) is None


def test_what_happened_in_a_run_is_known_whatever_cut_its_journal(tmp_path: Path) -> None:
    kept = journal.Journal(tmp_path / "run")
    kept.append(RolloutStarted(plan={}))
    with (tmp_path / "run/journal.jsonl").open("a") as stream:
        stream.write('{"time": 1, "kind": "en')
    assert journal.has_event(tmp_path / "run", RolloutStarted) and not journal.has_event(
        tmp_path / "run", RunEnded
    )
