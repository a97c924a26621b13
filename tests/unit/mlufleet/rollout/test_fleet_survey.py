"""A look at several hosts, as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.paths import PROJECT_ROOT
from fleet.release.target import ReleaseTarget
from tests.unit.mlufleet.rollout.conftest import probe
from tests.waiting import PATIENCE_S

INVENTORY = """
same = {{"fake_delay": 0, "fake_delay_jitter": 0, "release": {release!r}, "store": {store!r}}}
answers = {{"@@mlufleet-begin": {probe!r}, "inspect-engine": {engine!r}}}
hosts = [
    ("@fake/mlu01", {{**same, "fake_responses": answers}}),
    ("@fake/mlu02", {{**same, "fake_responses": {{"@@mlufleet-begin": "garbage"}}}}),
    ("mlu03", {{"ssh_hostname": "127.0.0.1", "ssh_port": 1, "ssh_user": "root",
                "release": {release!r}, "store": {store!r}}}),
]
"""
#: waits at the first command of a host until it is told to stop; the next host waits for that one
SLOW = """
import gevent, sys
from gevent import monkey
monkey.patch_all()
from mlufleet.rollout import fleet_survey
def wait(host, plan):
    print("at work", flush=True)
    gevent.sleep(60)
fleet_survey.survey_host = wait
fleet_survey.SURVEY_CONCURRENCY = 1
from mlufleet.cli.main import main
main()
"""


@pytest.fixture
def folder(site: Path, wanted: ReleaseTarget) -> Path:
    """A site with three hosts: one answers, one answers what nobody understands, one does not."""
    text = INVENTORY.format(
        release=str(site / "small.yml"),
        store=str(site / "store"),
        probe=probe(),
        engine="no docker here",
    )
    (site / "hosts.py").write_text(text)
    return site


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlufleet", "adopt", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_every_host_is_accounted_for_with_its_code(folder: Path) -> None:
    done = run(folder, "hosts.py", "--json")
    assert done.returncode == 2, done.stderr
    document = json.loads(done.stdout)
    found = document["hosts"]
    codes = {name: host["failure"] and host["failure"]["code"] for name, host in found.items()}
    assert codes == {"@fake/mlu01": None, "@fake/mlu02": "PROBE_FAILED", "mlu03": "UNREACHABLE"}
    statuses = {name: host["status"] for name, host in found.items()}
    assert statuses["@fake/mlu02"] == "failed" and statuses["mlu03"] == "unreachable"
    # the scripts of this host say nothing: of what they are about, nothing is claimed
    relations = {one["item"]: one["relation"] for one in found["@fake/mlu01"]["findings"]}
    assert statuses["@fake/mlu01"] == "unclear"
    assert relations["driver 5.10.10"] == "missing"
    assert relations["engine"] == "unknown"
    run_folder = folder / "runs" / document["run"]
    assert json.loads((run_folder / "adoption.json").read_text()) == document
    report = json.loads((run_folder / "report.json").read_text())
    assert report["dry"] and not any(host["stages"] for host in report["hosts"].values())


def test_hosts_that_do_not_answer_have_a_status_of_their_own(folder: Path) -> None:
    done = run(folder, "hosts.py", "--limit", "mlu03")
    assert done.returncode == 4, done.stderr
    assert done.stdout.startswith("mlu03: unreachable\n") and "UNREACHABLE" in done.stdout


def test_options_of_a_rollout_are_refused_before_any_host_is_asked(folder: Path) -> None:
    done = run(folder, "hosts.py", "--window", "3")
    assert (done.returncode, done.stdout) == (3, "") and "--window" in done.stderr
    assert not (folder / "runs").exists()


def test_an_interrupted_look_ends_at_once_and_says_so(folder: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SLOW,
            "adopt",
            "hosts.py",
            "--json",
            "--limit",
            "@fake/mlu01,@fake/mlu02",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=50)
    assert process.returncode == 130
    document = json.loads(said)
    assert document["interrupted"]
    assert document["hosts"]["@fake/mlu01"]["failure"]["code"] == "INTERRUPTED"
    assert document["hosts"]["@fake/mlu02"]["status"] == "skipped"
