"""24: a process that is stuck in the kernel, which not even SIGKILL ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.drivers import audit, told
from tests.lab import hosts as lab
from tests.runs import LAB, Done, ends_right, mlufleet, refused

STUCK = r"grep -lE '^(SigPnd|ShdPnd):.*[13579bdf]..$' /proc/[0-9]*/status"
#: seconds: of the step, of its SIGKILL, and of everything else of a run on a busy machine
STEP, GRACE, REST = 60, 20, 120


@pytest.mark.skipif(
    not Path("/sys/fs/cgroup/freezer").exists(),
    reason="only a freezer of cgroup v1 holds a process as a kernel does",
)
def test_24_a_stuck_monitor_fails_its_host_in_time_and_no_other(provisioned: Done) -> None:
    with told("u1604", "cnmon-hangs"):
        started = time.monotonic()
        done = mlufleet(
            "deploy", LAB, "--limit", "u1604", "--limit", "u1804", "--data", "smoke=always"
        )
        assert time.monotonic() - started < STEP + GRACE + REST
        assert done.status == 2
        assert done.statuses() == {"u1604": "failed", "u1804": "changed"}
        failure = done.host("u1604")["failure"]
        assert failure["code"] == "HUNG" and "cnmon (pid" in failure["sentence"]
        assert failure["remedy"] in done.output
        assert done.host("u1804")["answer"]
        assert "\thung" in audit("u1604")[-1]
        assert lab.run("u1604", STUCK), "it is real: it has heard SIGKILL and is still there"
        # nobody waits on it: looking at the host and being refused by it are quick
        started = time.monotonic()
        looked = mlufleet("doctor", LAB, "--limit", "u1604")
        assert looked.status == 2 and "HUNG" in looked.output and "cnmon (pid" in looked.output
        assert "cnmon (pid" in refused("u1604", "HUNG")["sentence"]
        assert time.monotonic() - started < REST
    assert lab.run("u1604", STUCK, check=False) == ""
    again = mlufleet("deploy", LAB, "--limit", "u1604", "--data", "smoke=always")
    assert again.status == 0 and again.host("u1604")["answer"]
    ends_right("u1604")
