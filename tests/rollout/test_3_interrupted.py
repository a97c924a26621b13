"""Rollouts that do not come to their end, and two at once."""

from __future__ import annotations

import os
import pty
import random
import signal
import subprocess
import time
from contextlib import suppress

import pytest

from tests.lab import hosts as lab
from tests.rollout.fleet import (
    FLEET,
    Settled,
    accounted,
    answers,
    at_stage,
    audits,
    begun,
    events,
    free,
    newest,
    rollout,
    words,
)
from tests.runs import Done, mlufleet, read_until, report_in, start
from tests.waiting import PATIENCE_S, until


def started(folder_before: str, count: int) -> bool:
    """Whether a run that is newer than another one has begun so many hosts."""
    run = newest()
    return run.name > folder_before and len(events(run, "begin")) >= count


def ended(process: object, output: str) -> Done:
    return Done(process.returncode, output, report_in(output))  # type: ignore[attr-defined]


def test_ctrl_c_once_lets_hosts_at_work_end_and_a_resume_does_the_rest(settled: Settled) -> None:
    run = start(*words("rollout", settled.next.release, "--window", "2"))
    until(lambda: started(settled.run, 3))
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=PATIENCE_S)
    done = accounted(ended(run, output))
    assert done.status == 130 and done.report["rollout"]["stopped"] == "interrupted"
    assert {done.statuses()[host] for host in begun(done)} == {"changed"}
    left = [host for host in FLEET if host not in begun(done)]
    assert left and {done.statuses()[host] for host in left} == {"not started"}
    assert free()
    resumed = accounted(mlufleet("rollout", "--resume"))
    assert resumed.status == 0 and resumed.report["rollout"]["resumes"] == done.report["run"]
    assert sorted(begun(resumed)) == sorted(left) and answers() == {settled.next.answer}
    assert resumed.report["rollout"]["canaries"] == []


@pytest.mark.long
def test_ctrl_c_twice_stops_at_once_and_gives_hosts_back(settled: Settled) -> None:
    run = start(*words("rollout", settled.next.release, "--window", "3", "--canary", "0"))
    until(lambda: started(settled.run, 3))
    os.killpg(run.pid, signal.SIGINT)
    before = read_until(run, "again to stop at once")
    began = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - began < 30
    done = accounted(ended(run, before + output))
    assert done.status == 130 and "skipped" in done.statuses().values()
    assert free()
    resumed = accounted(mlufleet("rollout", "--resume"))
    assert resumed.status == 0 and answers() == {settled.next.answer}


@pytest.mark.parametrize("times", [5, pytest.param(20, marks=pytest.mark.long)])
def test_a_rollout_killed_again_and_again_is_reported_and_resumed_each_time(
    settled: Settled, times: int
) -> None:
    dice, strikes, here, there = random.Random(20), 0, settled.now, settled.next
    arguments = words("rollout", there.release, "--window", "2")
    while strikes < times:
        before = newest().name
        run = start(*arguments)
        until(lambda before=before: newest().name > before)
        until(lambda run=run: events(newest(), "begin") or run.poll() is not None)
        with suppress(subprocess.TimeoutExpired):
            run.wait(dice.uniform(0, 3))
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            strikes += 1
        output, _ = run.communicate()
        said = mlufleet("status").output
        assert all(f"\n{host}: " in said for host in FLEET)
        arguments = ["rollout", "--resume"]
        if run.returncode != -signal.SIGKILL:  # it had come to its end: now the other way
            assert run.returncode == 0 and "ended" in said, output
            here, there = there, here
            arguments = words("rollout", there.release, "--window", "2")
        else:
            assert "killed" in said
    done = rollout(there.release)
    assert done.status == 0 and answers() == {there.answer} and free()


def test_an_operator_who_does_not_confirm_leaves_the_rest_untouched(settled: Settled) -> None:
    ours, theirs = pty.openpty()
    before = audits(*FLEET[1:])
    run = start(*words("rollout", settled.next.release, "--confirm"), stdin=theirs)
    until(lambda: newest().name > settled.run and events(newest(), "done"))
    with pytest.raises(subprocess.TimeoutExpired):  # it waits for as long as it is not answered
        run.wait(5)
    os.write(ours, b"n\n")
    output, _ = run.communicate(timeout=PATIENCE_S)
    done = accounted(ended(run, output))
    assert f"Continue with the other {len(FLEET) - 1} hosts?" in output
    assert done.report["rollout"]["stopped"] == "declined" and done.status != 0
    assert done.statuses()[FLEET[0]] == "changed" and audits(*FLEET[1:]) == before
    assert free()


def test_two_operators_at_once_break_nothing(settled: Settled) -> None:
    options = ("--window", "4", "--canary", "0", "--max-fail", "100%")
    first = start(*words("rollout", settled.next.release, *options))
    until(lambda: started(settled.run, 3))
    second = rollout(settled.next.release, *options)
    output, _ = first.communicate(timeout=PATIENCE_S)
    both = (accounted(ended(first, output)), second)
    for done in both:
        codes = {h["failure"]["code"] for h in done.report["hosts"].values() if h["failure"]}
        assert codes <= {"LOCKED"}, done.output
    # what one of them found locked the other one carried
    for host in FLEET:
        pair = sorted(done.statuses()[host] for done in both)
        assert pair in (["changed", "failed"], ["changed", "ok"], ["changed", "changed"])
    assert free()
    assert rollout(settled.next.release).status == 0 and answers() == {settled.next.answer}


def test_a_host_that_is_gone_in_its_middle_holds_back_nobody(settled: Settled) -> None:
    lost = "u1804-2"
    run = start(*words("rollout", settled.next.release, "--window", "4", "--max-fail", "1"))
    until(lambda: newest().name > settled.run and at_stage(lost, "container"))
    lab.power_off(lost)
    try:
        until(lambda: len(events(newest(), "done")) == len(FLEET) - 1)
        assert ("done", lost) not in events(newest(), "done")
    finally:
        lab.power_on(lost)
    output, _ = run.communicate(timeout=PATIENCE_S)
    done = accounted(ended(run, output))
    assert {done.statuses()[host] for host in FLEET if host != lost} == {"changed"}
    # its step was begun again after the power cut, or ended with it: either way it is accounted for
    assert (done.status, done.statuses()[lost]) in (
        (0, "changed"),
        (2, "failed"),
        (5, "rolled back"),
    )
    assert rollout(settled.next.release).status == 0 and answers() == {settled.next.answer}


@pytest.mark.long
def test_a_host_that_is_gone_for_good_is_given_up_when_the_inventory_says(settled: Settled) -> None:
    lost = "c7-2"
    run = start(
        *words("rollout", settled.next.release, "--window", "4", "--max-fail", "1"),
        "--data",
        "reconnect_timeout=5",
    )
    until(lambda: newest().name > settled.run and at_stage(lost, "container"))
    lab.power_off(lost)
    try:
        output, _ = run.communicate(timeout=PATIENCE_S)
        done = accounted(ended(run, output))
        assert done.status == 2 and done.host(lost)["failure"]["code"] == "CONNECTION_LOST"
        assert {done.statuses()[host] for host in FLEET if host != lost} == {"changed"}
    finally:
        lab.power_on(lost)
    assert rollout(settled.next.release).status == 0 and answers() == {settled.next.answer}
