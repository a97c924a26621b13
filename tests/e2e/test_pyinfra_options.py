"""What pyinfra itself offers, and what a hand at the keyboard does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.lab import hosts as lab
from tests.lab import lies
from tests.runs import HOSTS, LAB, SITE, Done, mlufleet, pyinfra

HOST = "u1604"


def test_limit_touches_only_its_host_and_diff_and_verbose_change_nothing_of_it(
    provisioned: Done,
) -> None:
    places = {host: lab.heard(host) for host in HOSTS}
    done = pyinfra("-y", "--diff", "-v", "--limit", HOST, "--data", "smoke=always")
    assert done.status == 0 and done.statuses() == {HOST: "changed"}
    assert done.changed(HOST) == ["smoke"]
    assert {host for host in HOSTS if lab.heard_since(host, places[host], "Accepted")} == {HOST}


@pytest.mark.parametrize("more", [(), ("--data", "smoke=always")], ids=["no change", "a change"])
def test_json_is_one_document_and_nothing_else_on_standard_output(
    provisioned: Done, more: tuple[str, ...]
) -> None:
    words = [sys.executable, "-m", "pyinfra", LAB, "deploy.py", "-y", "--json", "--limit", HOST]
    done = subprocess.run([*words, *more], cwd=SITE, capture_output=True, text=True)
    assert done.returncode == 0
    results = json.loads(done.stdout)["results"]
    assert results["failed_hosts"] == [] and bool(results["operations"]) == bool(more)
    assert "hosts needed no change" in done.stderr


def test_a_dry_run_fails_for_a_host_that_would_be_refused(provisioned: Done) -> None:
    lies.switch(HOST, "card-off-bus", True)
    try:
        done = mlufleet("deploy", LAB, "--dry", "--limit", HOST)
    finally:
        lies.switch(HOST, "card-off-bus", False)
    assert done.status == 2 and done.statuses() == {HOST: "failed"}
    failure = done.host(HOST)["failure"]
    assert failure["code"] == "CARDS_MISSING" and failure["stage"] == "preflight"
