"""Runs of deploy.py leave hosts in quarantine alone, whoever starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleet import quarantine
from fleet.release.target import ReleaseTarget
from mlufleet.cli.main import main
from mlufleet.report.junit import render_xml
from mlufleet.report.model import parse_report
from mlufleet.run import launcher
from tests.unit import PROJECT
from tests.unit.mlufleet.rollout.conftest import INVENTORY, probe
from tests.waiting import PATIENCE_S

NAMES = ["@fake/mlu000", "@fake/mlu001"]
MARK = quarantine.Quarantine.begin("watch", "cards drop", "CARD_DROPPED", 0)


@pytest.fixture
def fleet(site: Path, wanted: ReleaseTarget) -> Path:
    """A site with two hosts, of which the first is in quarantine."""
    for name in ("config.py", "deploy.py"):
        (site / name).symlink_to(PROJECT / name)
    release, store = str(site / "small.yml"), str(site / "store")
    text = INVENTORY.format(probe=probe(), release=release, store=store, count=2, sick=250)
    (site / "hosts.py").write_text(text)
    quarantine.add(site / quarantine.FILE_NAME, {NAMES[0]: MARK})
    return site


def call(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def read_report(site: Path) -> dict[str, Any]:
    return dict(json.loads((site / "runs/latest/report.json").read_text()))


def test_pyinfras_own_command_leaves_them_out(fleet: Path) -> None:
    done = call(fleet, "pyinfra", "hosts.py", "deploy.py", "--dry")
    assert done.returncode == 0, done.stderr
    assert f"{NAMES[0]}: left out: in quarantine since 1970" in done.stderr
    report = read_report(fleet)
    statuses = {name: host["status"] for name, host in report["hosts"].items()}
    assert statuses[NAMES[0]] == "skipped" and statuses[NAMES[1]] != "unreachable"
    left = report["hosts"][NAMES[0]]
    assert left["quarantine"] == {**MARK.model_dump(), "included": False}
    assert left["seen"] is None and report["hosts"][NAMES[1]]["seen"]
    text = render_xml(parse_report(report))
    assert 'skipped message="in quarantine since 1970-01-01T00:00:00Z by watch' in text


def test_who_asks_for_them_gets_them(fleet: Path) -> None:
    call(fleet, "mlufleet", "deploy", "hosts.py", "--include-quarantined", "--dry")
    host = read_report(fleet)["hosts"][NAMES[0]]
    assert host["quarantine"]["included"] and host["seen"]
    assert "and included" in host["notes"][0]


def test_a_look_is_at_all_hosts(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, ...]] = []
    monkeypatch.setattr(launcher, "run_deploy", lambda _, options, __: given.append(options))
    launcher.dry_run_report("hosts.py", ("--limit", "all"))
    assert given == [("--dry", *launcher.INCLUDE_QUARANTINED, "--limit", "all")]


def test_where_no_host_is_left_that_is_an_error(fleet: Path) -> None:
    done = call(fleet, "mlufleet", "deploy", "hosts.py", "--limit", NAMES[0])
    assert done.returncode == 3 and "no host is left" in done.stderr
    assert f"mlufleet host unquarantine hosts.py {NAMES[0]}" in done.stderr
    assert not list(fleet.glob("runs/*/journal.jsonl"))


def test_a_file_that_is_not_valid_is_an_error_before_any_connection(fleet: Path) -> None:
    (fleet / quarantine.FILE_NAME).write_text("hosts: {a: {}}")
    done = call(fleet, "pyinfra", "hosts.py", "deploy.py")
    assert done.returncode == 1
    assert "quarantine.yml:1: hosts.a.since" in done.stdout + done.stderr
    assert "Connecting" not in done.stdout + done.stderr


def test_it_is_not_rebooted(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fleet)
    done = CliRunner().invoke(main, ["host", "reboot", "hosts.py", NAMES[0]])
    assert done.exit_code == 3 and "is not rebooted, as it is in quarantine" in done.output
