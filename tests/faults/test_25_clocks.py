"""25: a host whose clock is a year off, before a run and in its middle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab import hosts as lab
from tests.runs import (
    LAB,
    MODEL_PROCESS,
    Done,
    begin,
    ends_right,
    mlufleet,
    refused,
    report_in,
    wait_on,
)
from tests.waiting import PATIENCE_S

HOST = "u1604"
DATE = "/usr/local/bin/date"  # the hosts of the lab share a kernel, and its clock
YEAR = 365 * 24 * 3600


@contextmanager
def off(host: str, years: int) -> Iterator[None]:
    """What asks for the time gets another; a date that is given is not another."""
    lie = f"""#!/bin/sh
case " $*" in *" -d"*) exec /bin/date "$@" ;; esac
exec /bin/date -d "{years} years" "$@"
"""
    lab.run(host, f"cat > {DATE} && chmod 755 {DATE}", given=lie)
    try:
        yield
    finally:
        lab.run(host, f"rm {DATE}")


@pytest.mark.parametrize("years", [1, pytest.param(-1, marks=pytest.mark.long)])
def test_25_a_clock_that_is_a_year_off_is_refused_before_anything_is_written(
    provisioned: Done, years: int
) -> None:
    lab.run(HOST, "rm -f /var/lib/mlufleet/stamps/smoke")  # there would be something to do
    with off(HOST, years):
        before = lab.files(HOST)
        failure = refused(HOST, "CLOCK_SKEW")
        assert lab.files(HOST) == before
    assert abs(int(failure["sentence"].split()[-2]) - years * YEAR) < 2 * 24 * 3600
    assert ends_right(HOST).changed(HOST) == ["smoke"]


@pytest.mark.parametrize("years", [-1, pytest.param(1, marks=pytest.mark.long)])
def test_25_a_clock_that_is_set_in_the_middle_of_a_run_makes_no_duration_wrong(
    provisioned: Done, years: int
) -> None:
    run = begin("--limit", HOST, "--data", "smoke=always")
    wait_on(HOST, f"pkill -STOP -f {MODEL_PROCESS}")
    try:
        with off(HOST, years):
            held = mlufleet("lock-status", LAB, "--limit", HOST)
            lab.run(HOST, f"pkill -CONT -f {MODEL_PROCESS}")
            said, _ = run.communicate(timeout=PATIENCE_S)
    finally:
        lab.run(HOST, f"pkill -CONT -f {MODEL_PROCESS}", check=False)
    assert run.returncode == 0, said
    assert "held by" in held.output and "heartbeat -" not in held.output
    report = report_in(said)
    (smoke,) = [s for s in report["hosts"][HOST]["stages"] if s["changes"]]
    assert smoke["stage"] == "smoke"
    assert 0 < smoke["seconds"] <= report["ended"] - report["started"] < 300
    ends_right(HOST)
