"""29, 30: a host is one run's at a time; a dead holder is followed, a live one is not."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab import hosts as lab
from tests.runs import (
    CONTAINER,
    LAB,
    MODEL_PROCESS,
    Done,
    begin,
    ends_right,
    mlufleet,
    refused,
    wait_for_step,
    wait_on,
)
from tests.waiting import PATIENCE_S

LOCK = "/var/lib/mlufleet/lock"
ASK = ("--data", "smoke=always")
RUNNING = "systemctl list-units --no-legend 'mlufleet-*' | grep -c running"


@contextmanager
def at_work(host: str) -> Iterator[subprocess.Popen[str]]:
    """A run in the middle of a step that does not end before the test is through with it."""
    run = begin("--limit", host, *ASK)
    wait_for_step(host, "asking")
    # it alone, once it is there: a paused container would hold up whoever looks at it
    wait_on(host, f"pkill -STOP -f {MODEL_PROCESS}")
    try:
        yield run
    finally:
        lab.run(host, f"pkill -CONT -f {MODEL_PROCESS}")
    assert run.wait(PATIENCE_S) == 0


def kill(run: subprocess.Popen[str]) -> None:
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def test_29_a_second_operator_is_told_who_holds_the_host(provisioned: Done) -> None:
    with at_work("u1604"):
        before = lab.run("u1604", "cut -f2- /var/lib/mlufleet/audit.log")
        failure = refused("u1604", "LOCKED", *ASK)
        assert "held by" in failure["sentence"] and "--limit u1604" in failure["sentence"]
        status = mlufleet("lock-status", LAB, "--limit", "u1604")
        assert "u1604: held by" in status.output and "(alive)" in status.output
    # the first one alone has written on the host meanwhile
    added = lab.run("u1604", "cut -f2- /var/lib/mlufleet/audit.log").removeprefix(before)
    assert len({line.split("\t")[0] for line in added.splitlines() if line}) == 1
    assert "u1604: free" in mlufleet("lock-status", LAB, "--limit", "u1604").output


def test_4_30_a_killed_run_is_followed_and_its_step_is_not_started_twice(
    provisioned: Done,
) -> None:
    lab.run("u1604", f"docker rm -f {CONTAINER}")
    before = lab.run("u1604", "cat /var/lib/mlufleet/audit.log")
    first = begin("--limit", "u1604")
    wait_for_step("u1604", "pip")
    killed = lab.run("u1604", f"cut -f1 {LOCK}")
    kill(first)
    assert int(lab.run("u1604", RUNNING)) == 1  # it outlives its controller
    done = ends_right("u1604")
    assert done.changed("u1604") == ["packages", "smoke"]
    audit = lab.run("u1604", "cat /var/lib/mlufleet/audit.log").removeprefix(before)
    assert "took over the lock" in audit
    starts = [line for line in audit.splitlines() if line.endswith("\tstart")]
    ends = [line for line in audit.splitlines() if "\tended with status " in line]
    assert len(starts) == len(ends), "the last job was let end before the next one began"
    told = mlufleet("report", killed)
    assert told.status == 0 and killed in told.output and "skipped" in told.output
    seen = told.host("u1604")
    assert seen["old"] and seen["versions"]["release"] == "unproved"
    assert "u1604: last seen at " in told.output and seen["lock"]["run"] == killed


@pytest.mark.parametrize("years", [-1, pytest.param(1, marks=pytest.mark.long)])
def test_30_a_live_holder_is_not_robbed_by_a_clock_that_jumps(
    provisioned: Done, years: int
) -> None:
    """What a jump does to a lock: its last beat looks a year old, or of next year."""
    with at_work("u1604"):
        lab.run("u1604", f"touch -d '{-years} years' {LOCK}")
        refused("u1604", "LOCKED", *ASK)


def test_30_a_lock_can_be_broken_by_hand_and_the_host_remembers_who_did(provisioned: Done) -> None:
    nasty = "by hand\\033]0;x\\007\\033[2J"  # sets a title and clears who shows it
    line = f"run-x\\tsomebody@elsewhere\\t2026-01-01T00:00:00Z\\t100000\\t{nasty}\\n"
    lab.run("u1604", f"printf '{line}' > {LOCK}")
    failure = refused("u1604", "LOCKED", *ASK)
    assert "somebody@elsewhere" in failure["sentence"] and r"\x1b[2J" in failure["sentence"]
    shown = mlufleet("lock-status", LAB, "--limit", "u1604").output
    assert r"by hand\x1b]0;x\x07\x1b[2J" in shown and "\x1b" not in shown
    broken = mlufleet("unlock", LAB, "--limit", "u1604")
    assert broken.status == 0 and "somebody@elsewhere" in broken.output
    assert "broke the lock" in lab.run("u1604", "tail -n 1 /var/lib/mlufleet/audit.log")
    ends_right("u1604")
