"""What has to be said before hosts are retired, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleet.errors import ExitStatus
from mlufleet.cli import retire_output
from mlufleet.cli.main import main
from mlufleet.report.model import parse_report
from mlufleet.rollout.plan import Plan
from operations.retirement.retiring import STEP_NAMES
from operations.stage_order import RETIREMENT_ORDER


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["retire", "x.yml", "--yes"], "--limit all"),
        (["retire", "x.yml", "--limit", "a"], "--yes"),
        (["retire", "x.yml", "--limit", "a", "--json"], "--yes"),
        (["adopt", "x.yml", "--canary", "2", "--max-fail", "1"], "--canary --max-fail"),
        (["adopt", "x.yml", "--apply", "--stop", "a b"], "the name of a container"),
        (["rollout", "resume", "--run", "none"], "no rollout to resume"),
    ],
)
def test_what_is_missing_is_said_before_the_inventory_is_read(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, said in done.output) == (ExitStatus.INVALID, True), done.output
    assert not list(tmp_path.iterdir())


def test_a_retirement_offers_no_option_that_it_refuses() -> None:
    assert "--keep-serving" not in CliRunner().invoke(main, ["retire", "--help"]).output
    assert "--keep-serving" in CliRunner().invoke(main, ["rollout", "start", "--help"]).output


def test_steps_of_a_retirement_are_shown_in_the_order_in_which_they_run() -> None:
    assert RETIREMENT_ORDER == STEP_NAMES


def test_the_plan_of_an_older_version_lacks_what_is_new() -> None:
    old = Plan(inventory="x").model_dump(exclude={"stop", "keep_weights", "dry", "yes"})
    assert Plan(**old) == Plan(inventory="x")


def report_of(hosts: dict[str, dict[str, Any]]) -> Any:
    return parse_report({"run": "r", "hosts": hosts})


def test_hosts_that_are_alike_are_shown_once() -> None:
    alike = {
        "status": "not started",
        "drift": {"containers": ["remove container x"], "state": ["remove the state"]},
        "left": [{"what": "driver", "why": "it was there", "remedy": "--driver"}],
    }
    failure = {"code": "CARD_BUSY", "sentence": "python3 holds a card"}
    hosts = {"mlu2": alike, "mlu1": alike, "mlu3": {"status": "skipped", "failure": failure}}
    away = {"status": "not started"}  # the run was interrupted before it was probed
    report = report_of({**hosts, "mlu4": {"status": "ok"}, "mlu5": away})
    assert list(retire_output.plan_lines(report)) == [
        "mlu[1-2] (2 hosts):",
        "  remove container x",
        "  remove the state",
        "  stays: driver: it was there (--driver)",
        "mlu3:",
        "  cannot be retired: CARD_BUSY: python3 holds a card",
        "mlu4:",
        "  nothing to remove",
        "mlu5:",
        "  was not looked at",
    ]


def test_a_dry_retirement_says_once_what_stays_and_counts_what_would_go(
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = [{"what": "driver", "why": "--driver was not given"}]
    waits = {"status": "not started", "drift": {"state": ["remove the state"]}, "left": left}
    retire_output.print_plans(report_of({"a": waits, "b": {"status": "ok"}}), Path("r"), err=False)
    printed = capsys.readouterr()
    assert printed.err == "" and printed.out.count("stays: driver") == 1
    assert printed.out.endswith("\n1 of 2 hosts would be retired; report: r/report.json\n")


def test_the_question_counts_the_hosts_that_would_be_retired() -> None:
    waits = {"status": "not started", "drift": {"state": ["remove \x1b[1mstate"]}}
    lines = retire_output.review(report_of({"a": waits, "b": {"status": "ok"}}))
    assert lines[-1] == "Retire 1 host?" and "  remove \\x1b[1mstate" in lines
    lines = retire_output.review(report_of({"a": waits, "b": waits}))
    assert lines[-1] == "Retire 2 hosts?"
