"""What pyinfra itself offers, and what a hand at the keyboard does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab import hosts as lab
from tests.lab import lies
from tests.runs import CONTAINER, HOSTS, LAB, ROOT, Done, mlufleet, pyinfra

HOST = "u1604"
LOGINS = "journalctl --quiet --unit ssh --grep 'Accepted publickey' --output cat | wc -l"


def test_limit_touches_only_its_host_and_diff_and_verbose_change_nothing_of_it(
    provisioned: Done,
) -> None:
    before = {host: int(lab.run(host, LOGINS)) for host in HOSTS}
    assert all(before.values())
    done = pyinfra("-y", "--diff", "-v", "--limit", HOST, "--data", "smoke=always")
    assert done.status == 0 and done.statuses() == {HOST: "changed"}
    assert done.changed(HOST) == ["smoke"]
    entered = {host for host in HOSTS if int(lab.run(host, LOGINS)) > before[host]}
    assert entered == {HOST}


@pytest.mark.parametrize("more", [(), ("--data", "smoke=always")], ids=["no change", "a change"])
def test_json_is_one_document_and_nothing_else_on_standard_output(
    provisioned: Done, more: tuple[str, ...]
) -> None:
    words = [sys.executable, "-m", "pyinfra", LAB, "deploy.py", "-y", "--json", "--limit", HOST]
    done = subprocess.run([*words, *more], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    results = json.loads(done.stdout)["results"]
    assert results["failed_hosts"] == [] and bool(results["operations"]) == bool(more)
    assert "hosts needed no change" in done.stderr


def journal_of_next_run(before: set[Path]) -> Path:
    for _ in range(300):
        for folder in set((ROOT / "runs").iterdir()) - before:
            if (folder / "journal.jsonl").is_file() and not folder.is_symlink():
                return folder / "journal.jsonl"
        time.sleep(0.1)
    raise AssertionError("no run began")


def test_ctrl_c_in_the_middle_is_said_and_the_next_run_ends_right(provisioned: Done) -> None:
    lab.run(HOST, f"docker rm -f {CONTAINER}")
    before = set((ROOT / "runs").iterdir())
    words = [sys.executable, "-m", "fleet.cli", "deploy", LAB, "--limit", HOST]
    # a session of its own: Ctrl-C reaches every process of a terminal's foreground, not only one
    run = subprocess.Popen(words, cwd=ROOT, start_new_session=True)
    journal = journal_of_next_run(before)
    while '"stage": "packages"' not in journal.read_text():
        assert run.poll() is None, "the run ended before it came to the packages"
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(60) == 130
    report = json.loads(journal.with_name("report.json").read_text())
    assert report["interrupted"] and report["hosts"][HOST]["status"] == "skipped"
    again = mlufleet("deploy", LAB, "--limit", HOST)
    assert again.status == 0 and again.changed(HOST) == ["packages", "smoke"]
    assert "王之涣" in again.host(HOST)["answer"]


def test_a_dry_run_fails_for_a_host_that_would_be_refused(provisioned: Done) -> None:
    lies.switch(HOST, "card-off-bus", True)
    try:
        done = mlufleet("deploy", LAB, "--dry", "--limit", HOST)
    finally:
        lies.switch(HOST, "card-off-bus", False)
    assert done.status == 2 and done.statuses() == {HOST: "failed"}
    failure = done.host(HOST)["failure"]
    assert failure["code"] == "CARDS_MISSING" and failure["stage"] == "preflight"
