"""37, 38, 42: a bad release stops early, and hosts go back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab import hosts as lab
from tests.lab import lies
from tests.rollout.fleet import (
    ANSWER,
    BROKEN,
    FLEET,
    Settled,
    accounted,
    answers,
    at_stage,
    audits,
    begun,
    free,
    newest,
    rollout,
    words,
)
from tests.runs import LOADED, Done, report_in, start
from tests.waiting import PATIENCE_S, until

CANARY, *OTHERS = FLEET


@contextmanager
def lying(lie: str, *hosts: str) -> Iterator[None]:
    for host in hosts:
        lies.switch(host, lie, True)
    try:
        yield
    finally:
        for host in hosts:
            lies.switch(host, lie, False)


@pytest.mark.parametrize(
    ("lie", "stage"),
    [
        ("module-does-not-load", "driver"),
        pytest.param("image-load-lies", "image", marks=pytest.mark.long),
    ],
)
def test_37_a_canary_that_fails_at_a_stage_is_the_only_host_touched(
    settled: Settled, lie: str, stage: str
) -> None:
    release = BROKEN if stage == "driver" else settled.next
    lab.run(CANARY, f"docker rm -f light; docker image rm {settled.next.image}", check=False)
    before = audits(*OTHERS)
    with lying(lie, CANARY):
        done = rollout(release.release, "--max-fail", "50%")
    assert done.host(CANARY)["failure"]["stage"] in (stage, "rollback")
    assert done.report["rollout"]["stopped"] == "canary"
    assert set(done.statuses().values()) - {done.statuses()[CANARY]} == {"not started"}
    assert done.status in (2, 5) and audits(*OTHERS) == before
    assert free()


def test_42_a_release_that_does_not_answer_goes_back_on_its_canary(settled: Settled) -> None:
    before = audits(*OTHERS)
    done = rollout(BROKEN.release)
    assert done.status == 5 and "SMOKE_ANSWER" in done.output
    host = done.host(CANARY)
    assert host["status"] == "rolled back" and host["failure"]["code"] == "SMOKE_ANSWER"
    assert host["rolled_back"] == {"from": "light-broken", "to": settled.now.name}
    assert lab.run(CANARY, ANSWER) == settled.now.answer and lab.run(CANARY, LOADED) == "5.10.10"
    assert [done.statuses()[name] for name in OTHERS] == ["not started"] * len(OTHERS)
    assert audits(*OTHERS) == before
    # a fresh look agrees with the report
    assert set(rollout(settled.now.release).statuses().values()) == {"ok"}


def test_38_the_budget_is_spent_in_mid_window_and_what_has_started_ends(settled: Settled) -> None:
    bad = ("u1804-2", "c7-2")
    for host in bad:
        lab.run(host, f"docker image rm -f {settled.next.image}", check=False)
    with lying("image-load-lies", *bad):
        done = rollout(settled.next.release, "--window", "2", "--max-fail", "1")
    assert done.status == 5 and done.report["rollout"]["stopped"] == "budget"
    statuses = done.statuses()
    assert [statuses[host] for host in bad] == ["rolled back"] * 2
    assert {statuses[host] for host in begun(done)} == {"changed", "rolled back"}
    untouched = [host for host in FLEET if host not in begun(done)]
    assert untouched and {statuses[host] for host in untouched} == {"not started"}
    assert {lab.run(host, ANSWER) for host in (*bad, *untouched)} == {settled.now.answer}
    assert free()


def test_hosts_that_are_broken_before_it_begins_spend_the_budget(settled: Settled) -> None:
    before = audits(*FLEET)
    lab.power_off("c7-3")
    try:
        done = rollout(settled.next.release, "--max-fail", "0")
        assert done.status == 5 and done.statuses()["c7-3"] == "unreachable"
        assert set(done.statuses().values()) == {"unreachable", "not started"}
        assert begun(done) == []
    finally:
        lab.power_on("c7-3")
    assert audits(*FLEET) == before


@pytest.mark.long
def test_a_rollback_by_hand_takes_a_fleet_back_and_says_so(settled: Settled) -> None:
    done = rollout(settled.next.release, "--window", "4")
    assert done.status == 0 and answers() == {settled.next.answer}
    done = rollout(settled.next.release, "--window", "4", command="rollback")
    assert done.status == 0 and set(done.statuses().values()) == {"rolled back"}
    assert {host["rolled_back"]["to"] for host in done.report["hosts"].values()} == {
        settled.now.name
    }
    assert answers() == {settled.now.answer}


def test_a_rollback_that_fails_itself_is_said_with_both_failures(settled: Settled) -> None:
    before = audits(*OTHERS)
    run = start(*words("rollout", BROKEN.release))
    until(lambda: newest().name > settled.run and at_stage(CANARY, "container"))
    with lying("module-does-not-load", CANARY):  # the new driver is in; the old one will not come
        output, _ = run.communicate(timeout=PATIENCE_S)
    done = accounted(Done(run.returncode, output, report_in(output)))
    failure = done.host(CANARY)["failure"]
    assert done.status == 2 and done.statuses()[CANARY] == "failed"
    assert failure["code"] == "ROLLBACK"
    assert failure["tail"][0].startswith("SMOKE_ANSWER") and len(failure["tail"]) == 2
    assert audits(*OTHERS) == before and free()
    # with what was wrong mended, the next run ends right with no step by hand
    assert rollout(settled.now.release).status == 0 and lab.run(CANARY, LOADED) == "5.10.10"
