"""23: somebody's job on a card is waited for, and only ended where the inventory allows it."""

from __future__ import annotations

from tests.faults.drivers import PACKAGE, status, told, unpackage
from tests.lab import hosts as lab
from tests.lab import lies
from tests.runs import LAB, Done, begin, ends_right, mlufleet, read_until
from tests.waiting import PATIENCE_S

JOB = "systemctl show -p MainPID mlu-lab-busy.service"


def test_23_a_job_is_waited_for_then_the_host_is_skipped(provisioned: Done) -> None:
    unpackage("u1604")
    with told("u1604", "busy-card"):
        job = lab.run("u1604", JOB)
        done = mlufleet("deploy", LAB, "--limit", "u1604", "--data", "busy_timeout=4")
        assert done.status == 2 and done.statuses() == {"u1604": "skipped"}
        failure = done.host("u1604")["failure"]
        assert failure["code"] == "CARD_BUSY" and "after 4 s" in failure["sentence"]
        assert f"pid {job.removeprefix('MainPID=')}" in failure["sentence"]
        assert lab.run("u1604", JOB) == job and status("u1604", PACKAGE) == ""
        run = begin("--limit", "u1604", "--data", "busy_timeout=120")
        read_until(run, "waiting for sleep (pid")
        assert lab.run("u1604", JOB) == job and run.poll() is None
    # it ends by itself, and the same run goes on
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, said
    assert mlufleet("doctor", LAB, "--limit", "u1604").status == 0


def test_23_a_job_is_ended_where_the_inventory_allows_it(provisioned: Done) -> None:
    unpackage("u1604")
    lies.switch("u1604", "busy-card", True)
    done = ends_right("u1604", "--data", "evict=true")
    assert "driver" in done.changed("u1604")
    assert lab.run("u1604", JOB) == "MainPID=0"
