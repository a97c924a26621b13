"""Hosts that are given back in a window: not approved, one away, killed in the middle, resumed."""

from __future__ import annotations

import os
import pty
import signal
from difflib import unified_diff

from tests.lab import hosts as lab
from tests.lab import up
from tests.rollout.fleet import FLEET, LIGHT, Settled, at_stage, audits, events, newest
from tests.runs import LAB, SITE, Done, mlufleet, report_in, start
from tests.waiting import PATIENCE_S, until

AWAY, *OTHERS = MEMBERS = FLEET[:3]
MADE = "docker ps -aq; docker images -q; ls /var/lib/mlufleet"


def retire(release: str, *options: str) -> list[str]:
    everything = ("--window", "3", "--canary", "0", "--max-fail", "100%")
    names = ",".join(MEMBERS)
    return ["retire", LAB, "--limit", names, "--data", release, *everything, *options]


def test_a_retirement_that_was_killed_is_resumed_and_its_hosts_are_bare(settled: Settled) -> None:
    before = audits(*MEMBERS)
    ours, theirs = pty.openpty()
    run = start(*retire(settled.now.release), stdin=theirs)
    os.write(ours, b"n\n")
    output, _ = run.communicate(timeout=PATIENCE_S)
    done = Done(run.returncode, output, report_in(output))
    assert (done.status, done.report["rollout"]["stopped"]) == (5, "declined")
    assert "Retire 3 hosts?" in output and "remove container light" in output
    assert audits(*MEMBERS) == before

    declined = newest().name
    lab.power_off(AWAY)
    try:
        run = start(*retire(settled.now.release, "--yes"))
        until(lambda: newest().name > declined and any(at_stage(h, "containers") for h in OTHERS))
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
    finally:
        lab.power_on(AWAY)
    killed = mlufleet("run", "report").report
    assert killed["hosts"][AWAY]["status"] == "unreachable" and killed["ended"] is None

    # the options are those of the run that was killed: nobody has to be asked
    done = mlufleet("rollout", "resume")
    assert done.status == 0 and done.report["kind"] == "retirement", done.output
    assert set(done.statuses()) == set(MEMBERS) and done.statuses()[AWAY] == "retired"
    assert set(done.statuses().values()) <= {"retired", "ok"}
    for host in MEMBERS:  # the record of what stays, for a later retirement
        assert "made" in (found := lab.run(host, MADE).split())
        assert set(found) <= {"made", "images", "kept", "signing"}
        left = [(item["what"], item["remedy"]) for item in done.host(host)["left"]]
        assert any(what.startswith("driver:") and "--driver" in remedy for what, remedy in left)
    log = SITE / "runs" / done.report["run"] / done.host(AWAY)["audit_log"]
    assert "retir" in log.read_text()
    assert {host for kind, host in events(newest(), "rolled-back", "way-back")} == set()

    again = mlufleet(*retire(settled.now.release, "--dry"))
    assert set(again.statuses().values()) == {"ok"} and again.status == 0

    # a later run knows nothing of them: they are bare hosts
    done = mlufleet("deploy", LAB, "--limit", ",".join(MEMBERS), "--data", settled.now.release)
    assert set(done.statuses().values()) == {"changed"} and done.status == 0
    assert {"container", "image"} <= set(done.changed(AWAY))


def test_a_bare_host_is_what_it_was_file_by_file_and_package_by_package(fleet_up: None) -> None:
    bare = FLEET[-2:]  # one of debs, one of rpms
    given_back(LIGHT.release, *bare)


def given_back(release: str, *names: str) -> None:
    for name in names:
        up.reset(name)
    where = ("--limit", ",".join(names), "--data", release)
    before = {name: lab.contents(name) for name in names}
    assert mlufleet("deploy", LAB, *where).status == 0
    done = mlufleet(
        "retire", LAB, *where, "--driver", "--engine", "--canary", "0", "--window", "2", "--yes"
    )
    assert done.status == 0 and set(done.statuses().values()) == {"retired"}, done.output
    for name in names:
        after = lab.contents(name).splitlines()
        assert list(unified_diff(before[name].splitlines(), after, n=0)) == []
        assert done.host(name)["left"] == []
