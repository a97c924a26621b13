"""5, 6: the operator stops a run, or the network does."""

from __future__ import annotations

import os
import signal
import time

from tests.lab import hosts as lab
from tests.runs import (
    LAB,
    MODEL_PROCESS,
    Done,
    begin,
    ends_right,
    mlufleet,
    read_until,
    report_in,
    wait_for_step,
)
from tests.waiting import PATIENCE_S, until

ASK = ("--data", "smoke=always")


def test_5_ctrl_c_once_lets_the_running_step_end_and_gives_the_host_back(provisioned: Done) -> None:
    run = begin("--limit", "u1604", *ASK)
    wait_for_step("u1604", "asking")
    os.killpg(run.pid, signal.SIGINT)
    output = run.communicate(timeout=PATIENCE_S)[0]
    assert run.returncode == 130, output
    assert "running steps end" in output and "INTERRUPTED" in output
    assert report_in(output)["hosts"]["u1604"]["status"] == "skipped"
    last = lab.run("u1604", "tail -n 1 /var/lib/mlufleet/audit.log")
    assert "asking" in last and last.endswith("ended with status 0")
    assert lab.run("u1604", "ls /dev/shm; ls /var/lib/mlufleet | grep -x lock", check=False) == ""
    ends_right("u1604")


def test_5_ctrl_c_twice_waits_for_no_step_and_still_gives_the_host_back(provisioned: Done) -> None:
    run = begin("--limit", "u1604", *ASK)
    wait_for_step("u1604", "asking")
    until(lambda: lab.run("u1604", f"pkill -STOP -f {MODEL_PROCESS} && echo stopped", check=False))
    try:
        os.killpg(run.pid, signal.SIGINT)
        read_until(run, "again to stop at once")
        started = time.monotonic()
        os.killpg(run.pid, signal.SIGINT)
        output = run.communicate(timeout=PATIENCE_S)[0]
        assert time.monotonic() - started < 60
        assert run.returncode == 130, output
        assert report_in(output)["hosts"]["u1604"]["status"] == "skipped"
        assert "u1604: free" in mlufleet("lock-status", LAB, "--limit", "u1604").output
        # its step goes on; another run has to wait for it
        assert lab.run("u1604", f"pgrep -f {MODEL_PROCESS}")
    finally:
        lab.run("u1604", f"pkill -CONT -f {MODEL_PROCESS}", check=False)
    ends_right("u1604")


def test_6_a_network_that_is_gone_for_a_while_loses_no_step(provisioned: Done) -> None:
    run = begin("--limit", "u1604", *ASK)
    wait_for_step("u1604", "asking")
    lab.run("u1604", "ip link set eth0 down")
    try:
        time.sleep(90)
    finally:
        lab.run("u1604", "ip link set eth0 up")
    output = run.communicate(timeout=PATIENCE_S)[0]
    assert run.returncode == 0, output
    assert "no answer to heartbeats" in output and "connection lost" in output
    audit = lab.run("u1604", "cat /var/lib/mlufleet/audit.log").splitlines()
    # a job of an earlier run may have ended meanwhile
    own = [line for line in audit if report_in(output)["run"] in line and "asking" in line]
    assert [line.rsplit("\t", 1)[1] for line in own] == ["start", "ended with status 0"]
