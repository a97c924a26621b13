"""Rollouts that do not come to their end, and two at once."""

from __future__ import annotations

import os
import signal
import time

from tests.lab import hosts as lab
from tests.rollout.fleet import (
    FLEET,
    NEXT,
    accounted,
    answers,
    at_stage,
    begun,
    events,
    free,
    newest,
    rollout,
    words,
)
from tests.runs import Done, mlufleet, report_in, start, until


def started(folder_before: str, count: int) -> bool:
    """Whether a run that is newer than another one has begun so many hosts."""
    run = newest()
    return run.name > folder_before and len(events(run, "begin")) >= count


def ended(process: object, output: str) -> Done:
    return Done(process.returncode, output, report_in(output))  # type: ignore[attr-defined]


def test_ctrl_c_once_lets_hosts_at_work_end_and_a_resume_does_the_rest(light: Done) -> None:
    run = start(*words("rollout", NEXT, "--window", "2"))
    until(lambda: started(light.report["run"], 3))
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=120)
    done = accounted(ended(run, output))
    assert done.status == 130 and done.report["rollout"]["stopped"] == "interrupted"
    assert {done.statuses()[host] for host in begun(done)} == {"changed"}
    left = [host for host in FLEET if host not in begun(done)]
    assert left and {done.statuses()[host] for host in left} == {"not started"}
    assert free()
    resumed = accounted(mlufleet("rollout", "--resume"))
    assert resumed.status == 0 and resumed.report["rollout"]["resumes"] == done.report["run"]
    assert sorted(begun(resumed)) == sorted(left) and answers() == {"light v2"}
    assert resumed.report["rollout"]["canaries"] == []


def test_ctrl_c_twice_stops_at_once_and_gives_hosts_back(light: Done) -> None:
    run = start(*words("rollout", NEXT, "--window", "3", "--canary", "0"))
    until(lambda: started(light.report["run"], 3))
    os.killpg(run.pid, signal.SIGINT)
    time.sleep(0.5)
    began = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=120)
    assert time.monotonic() - began < 30
    done = accounted(ended(run, output))
    assert done.status == 130 and "skipped" in done.statuses().values()
    assert free()
    resumed = accounted(mlufleet("rollout", "--resume"))
    assert resumed.status == 0 and answers() == {"light v2"}


def test_a_killed_rollout_is_reported_and_resumed(light: Done) -> None:
    for hosts in (1, 3, 6):
        before = newest().name
        arguments = (
            words("rollout", NEXT, "--window", "2") if hosts == 1 else ["rollout", "--resume"]
        )
        run = start(*arguments)
        until(lambda hosts=hosts, before=before: newest().name > before
              and len(events(newest(), "begin", "done")) >= hosts)  # fmt: skip
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        said = mlufleet("status").output
        assert "killed" in said and all(f"\n{host}: " in said for host in FLEET)
    done = accounted(mlufleet("rollout", "--resume"))
    assert done.status == 0 and answers() == {"light v2"} and free()


def test_two_operators_at_once_break_nothing(light: Done) -> None:
    first = start(*words("rollout", NEXT, "--window", "4", "--canary", "0", "--max-fail", "8"))
    until(lambda: started(light.report["run"], 3))
    second = rollout(NEXT, "--window", "4", "--canary", "0", "--max-fail", "8")
    output, _ = first.communicate(timeout=300)
    both = (accounted(ended(first, output)), second)
    for done in both:
        codes = {h["failure"]["code"] for h in done.report["hosts"].values() if h["failure"]}
        assert codes <= {"LOCKED"}, done.output
    # what one of them found locked the other one carried
    for host in FLEET:
        pair = sorted(done.statuses()[host] for done in both)
        assert pair in (["changed", "failed"], ["changed", "ok"], ["changed", "changed"])
    assert free()
    assert rollout(NEXT).status == 0 and answers() == {"light v2"}


def test_a_host_that_is_gone_in_its_middle_holds_back_nobody(light: Done) -> None:
    lost = "u1804-2"
    run = start(*words("rollout", NEXT, "--window", "4", "--max-fail", "1"))
    until(lambda: newest().name > light.report["run"] and at_stage(lost, "container"))
    lab.power_off(lost)
    try:
        until(lambda: len(events(newest(), "done")) == len(FLEET) - 1, 180)
        assert ("done", lost) not in events(newest(), "done")
    finally:
        lab.power_on(lost)
    output, _ = run.communicate(timeout=300)
    done = accounted(ended(run, output))
    assert {done.statuses()[host] for host in FLEET if host != lost} == {"changed"}
    # its step was begun again after the power cut, or ended with it: either way it is accounted for
    assert (done.status, done.statuses()[lost]) in (
        (0, "changed"),
        (2, "failed"),
        (5, "rolled back"),
    )
    assert rollout(NEXT).status == 0 and answers() == {"light v2"}
