"""The way of a good release through a fleet."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.lab import hosts as lab
from tests.rollout.fleet import (
    FLEET,
    LIGHT,
    Settled,
    answers,
    audits,
    begun,
    events,
    free,
    most_at_once,
    rollout,
)
from tests.runs import SITE, mlufleet


def test_bare_hosts_come_to_answer_canaries_first_and_so_many_at_once(fleet_up: None) -> None:
    options = ("--canary", "2", "--window", "3", "--max-fail", "0")
    done = rollout(LIGHT.release, *options, "--data", "smoke=always")
    assert sorted(begun(done)) == sorted(FLEET)
    assert done.status == 0 and set(done.statuses().values()) <= {"ok", "changed"}, done.output
    assert answers() == {LIGHT.answer}
    order = events(done.report["run"], "begin", "done")
    canaries = begun(done)[:2]
    ended = [order.index(("done", canary)) for canary in canaries]
    later = [order.index(("begin", host)) for host in begun(done)[2:]]
    assert all(max(ended) < place for place in later)
    assert most_at_once(done) <= 3
    assert free()


def test_a_fleet_that_is_right_is_looked_at_and_left_alone(settled: Settled) -> None:
    before, disk = audits(*FLEET), lab.files(FLEET[0])
    done = rollout(settled.now.release)
    assert done.status == 0 and set(done.statuses().values()) == {"ok"}
    assert begun(done) == [] and audits(*FLEET) == before
    assert lab.files(FLEET[0]) == disk


def test_hooks_go_before_and_after_each_host_and_groups_keep_to_their_share(
    settled: Settled, tmp_path: Path
) -> None:
    note = f"echo $MLUFLEET_HOST $MLUFLEET_STATUS >> {tmp_path}"
    refuses = f'[ "$MLUFLEET_HOST" != c7-3 ] || {{ echo the balancer is down; exit 1; }}; {note}'
    before = audits("c7-3")
    done = rollout(
        settled.next.release,
        "--before",
        f"{refuses}/before",
        "--after",
        f"{note}/after",
        "--window",
        "100%",
        "--share-of",
        "ssh_user",
        "--share",
        "3",
        "--max-fail",
        "1",
    )
    assert done.status == 2 and done.statuses()["c7-3"] == "failed"
    failure = done.host("c7-3")["failure"]
    assert failure["code"] == "HOOK" and failure["tail"] == ["the balancer is down"]
    assert audits("c7-3") == before
    others = sorted(set(FLEET) - {"c7-3"})
    assert sorted((tmp_path / "before").read_text().split()) == others
    told = (tmp_path / "after").read_text().splitlines()
    assert sorted(told) == [f"{host} ok" for host in others]
    roots = at_work = 0
    for kind, host in events(done.report["run"], "begin", "done"):
        if not host.startswith("c7"):
            at_work += 1 if kind == "begin" else -1
            roots = max(roots, at_work)
    assert roots == 3, "as many of one group as its share, and no more"


def test_the_journal_tells_how_far_a_rollout_is(settled: Settled) -> None:
    said = mlufleet("status").output
    assert f"rollout {settled.run}: ended" in said
    assert all(f"{host}: " in said for host in FLEET)
    drift = mlufleet("drift", settled.run).output
    for host in FLEET:
        assert (f"{host}: none" in drift) == (settled.done.statuses()[host] == "ok")


def test_wrong_options_are_refused_before_the_first_connection() -> None:
    runs = len(os.listdir(SITE / "runs"))
    for option, wrong, says in (
        ("--window", "0", "at least one host"),
        ("--max-fail", "101%", "more than 100%"),
        ("--share", "some", "neither a number"),
        ("--pause", "-1", "pause"),
    ):
        done = mlufleet("rollout", "inventories/lab.py", option, wrong)
        assert done.status == 3 and says in done.output, done.output
    for words, says in (
        (["inventories/lab.py", "--canary", "0", "--pause", "5"], "need --canary"),
        (["inventories/lab.py", "--confirm"], "terminal"),
        (["inventories/lab.py", "--limit", "nobody"], "no such host or group: nobody"),
        (["inventories/lab.py", "--data", "release"], "KEY=VALUE"),
        (["inventories/lab.py", "--share-of", "rack"], "no host has `rack`"),
        (["--resume", "--window", "3"], "remove --window"),
        (["--resume", "--run", "20000101-000000-1"], "no rollout to resume"),
    ):
        done = mlufleet("rollout", *words)
        assert done.status == 3 and says in done.output, done.output
    assert len(os.listdir(SITE / "runs")) == runs


def test_the_report_has_every_host_and_its_versions(settled: Settled) -> None:
    report = json.loads((SITE / "runs" / settled.run / "report.json").read_text())
    assert report["schema"] == 2 and report["kind"] == "rollout"
    assert {host["versions"]["release"] for host in report["hosts"].values()} == {settled.now.name}
