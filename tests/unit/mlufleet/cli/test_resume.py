"""What a resumed rollout takes over from the run before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mlufleet.cli import rollout as commands
from mlufleet.journal import journal, run_folders
from mlufleet.report import derive
from mlufleet.report.model import HostReport, Report, RolloutReport


@pytest.mark.parametrize(
    ("status", "passed"), [("rolled back", True), ("changed", True), ("not started", False)]
)
def test_canaries_that_passed_are_not_begun_with_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: str, passed: bool
) -> None:
    plan = {"inventory": "inventories/fleet.py", "kind": "rollback", "canary": 1}
    before = Report(
        rollout=RolloutReport(canaries=["a"], plan=plan),
        hosts={"a": HostReport(status=status), "b": HostReport(status="not started")},
    )
    taken: dict[str, Any] = {}
    monkeypatch.setattr(run_folders, "find_resumable_run", lambda _run: tmp_path)
    monkeypatch.setattr(journal, "is_running", lambda _folder: False)
    monkeypatch.setattr(derive, "derive_from_journal", lambda _folder: before)
    monkeypatch.setattr(commands, "run_rollout", lambda plan, **options: taken.update(options))
    done = CliRunner().invoke(commands.resume, [])
    assert done.exit_code == 0, done.output
    assert taken["canaries_passed"] is passed and taken["resumes"] == tmp_path.name
