"""What the status, the report and its outputs say of endpoints that have to stay ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import ExitStatus
from mlufleet.journal import events, journal
from mlufleet.report import html, serving, terminal
from mlufleet.report.derive import derive_from_journal
from mlufleet.rollout import status
from mlufleet.rollout.plan import Plan

RUN = "20260101-000000-1"


def test_a_host_that_waits_for_endpoints_is_named_until_the_rollout_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(journal, "RUNS", tmp_path)
    written = journal.Journal(tmp_path / RUN)
    plan = Plan(inventory="hosts.py", keep_serving="75%")
    for event in (
        events.RunStarted(),
        events.HostsNamed(names=["a", "b"]),
        events.RolloutStarted(plan=plan.model_dump(mode="json")),
        events.HostsScheduled(order=["a", "b"], canaries=[], window=1, max_fail=0, total=2),
        events.ServingCounted(ready=4, needed=3, of=4, before={"a": 2, "b": 2}),
        events.ServingCounted(host="b", ready=2, needed=3, of=4, held=True, silent=["a"]),
    ):
        written.append(event)
    waits = "b waits for endpoints: 2 of 4 are ready, and 3 have to stay ready; no answer from a"
    assert waits in list(status.status_lines(RUN))
    page = html.render_page(derive_from_journal(tmp_path / RUN))
    assert waits in page and "3 of 4 endpoints had to stay ready" in page
    written.append(events.ServingStopped(sentence="2 of 4 <endpoints>", remedy="look"))
    written.append(events.RunEnded(stopped="serving"))
    report = derive_from_journal(tmp_path / RUN)
    assert report.rollout and report.rollout.serving
    assert report.rollout.serving.before == {"a": 2, "b": 2}
    assert report.exit == ExitStatus.STOPPED
    assert report.counts == {"not started": 2}
    why = "stopped to keep endpoints ready: 2 of 4 <endpoints>"
    terminal.print_summary(report, tmp_path / RUN)
    assert why in capsys.readouterr().err
    assert [why, "  remedy: look"] == list(serving.serving_lines(report))
    assert "2 of 4 &lt;endpoints&gt;; remedy: look" in html.render_page(report)


def test_a_host_that_may_start_waits_no_more(tmp_path: Path) -> None:
    written = journal.Journal(tmp_path / RUN)
    plan = Plan(inventory="hosts.py", keep_serving="50%")
    written.append(events.RolloutStarted(plan=plan.model_dump(mode="json")))
    for held in (True, False):
        written.append(events.ServingCounted(host="b", ready=2, needed=2, of=4, held=held))
        report = derive_from_journal(tmp_path / RUN)
        assert report.rollout and report.rollout.serving
        assert report.rollout.serving.waiting == ("b" if held else "")
