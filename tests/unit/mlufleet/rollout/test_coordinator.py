"""Scores of hosts through the whole of a rollout, on pyinfra's fake connector.

What a host's stages do is made up; looking at hosts, scheduling, journal and report are real.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fleet import quarantine
from fleet.release.target import ReleaseTarget
from tests.journals import read_lines
from tests.unit.mlufleet.rollout.conftest import Server, simulate

#: run in a process of its own: pyinfra's state is one to a process
PROGRAM = textwrap.dedent(
    """
    import json, os, random, sys
    import gevent
    from fleet.errors import Failure
    from mlufleet.rollout import adoption, coordinator, host_rollout, retirement, rollback
    from mlufleet.rollout.plan import Plan
    from operations.host.context import emit_event
    from operations.adoption.findings import Finding, Relation
    from operations.host.failures import fail_host
    from operations.retirement.model import Remainder, RetirementPlan, StepPlan

    def travel_somehow(self, host):
        chance = random.Random(f"{seed} {host.name}").random()
        gevent.sleep(chance / 100)
        emit_event(host, "stage", stage="smoke")
        if chance < bad * 0.5:
            fail_host(host, Failure("HUNG"), "smoke")
        elif chance < bad * 0.75:
            emit_event(host, "unreachable", stage="connect", code="UNREACHABLE", sentence="",
                       remedy="", tail=[])
        elif chance < bad * 0.9:
            fail_host(host, Failure("SMOKE_ANSWER"), "smoke")
            emit_event(host, "rolling-back", release="r")
            emit_event(host, "rolled-back", by_hand=False)
        elif chance < bad:
            fail_host(host, Failure("CARD_BUSY"), "driver")
        else:
            emit_event(host, "stage-done", stage="smoke", changes=["ask"], seconds=1,
                        driver="")

    coordinator.ask_operator = lambda question, stopping: "yes" in os.environ["OPERATOR"]
    seed, bad, plan = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
    host_rollout.Deployment.apply = adoption.Adoption.apply = travel_somehow

    def survey(host, plan, inspectors):
        options = plan.options
        assert options.adopt and options.stop == ("old-kang",), options
        if "mlu002" in host.name:
            return [Finding("engine", Relation.UNKNOWN, differences=("PROBE_FAILED: no answer",))]
        blocker = "it may not be stopped" if "mlu001" in host.name else ""
        return [Finding("container", Relation.IN_THE_WAY, "kang", blocker=blocker)]

    adoption.survey_host = survey

    # host -> what is left to remove there
    made = {}

    def look(host, spec, options):
        if "mlu001" in host.name:
            return Failure("CARD_BUSY", "somebody computes")
        left = () if options.driver else (Remainder("driver", "it was there", "--driver"),)
        there = made.setdefault(host.name, [] if "mlu002" in host.name else ["state"])
        return RetirementPlan(tuple(StepPlan(s, (f"remove {s}",), tuple) for s in there), left)

    def retire(spec, options, audit_log):
        host = coordinator_host()
        emit_event(host, "stage", stage="state")
        if "mlu003" not in host.name:
            made[host.name].clear()
        audit_log.parent.mkdir(exist_ok=True)
        audit_log.write_text(f"log of {host.name}")
        emit_event(host, "stage-done", stage="state", changes=["remove state"], seconds=1)

    def coordinator_host():
        from pyinfra import host
        return host._get_module()

    retirement.retiring.assess, retirement.retiring.retire_host = look, retire
    retirement.lock.acquired = lambda owner, name: None
    find = rollback.find_target

    def find_or_break(host, look, folder):
        if "mlu001" in host.name and "breaks" in os.environ["OPERATOR"]:
            raise RuntimeError("of this host")
        return find(host, look, folder)

    rollback.find_target = find_or_break

    def review(report):
        waiting = [name for name, host in report.hosts.items() if host.drift and not host.failure]
        return ["all of it", f"asked about {len(waiting)}?"]

    review = review if plan.get("kind") == "retirement" else None
    rollout = coordinator.RolloutCoordinator(Plan(**plan), "test", review=review)
    report = rollout.roll_out()
    print(json.dumps(json.loads(report.to_json())))
    """
)


def simulated(
    server: Server,
    site: Path,
    seed: int,
    bad: float,
    count: int,
    operator: str = "",
    **plan: object,
) -> dict[str, Any]:
    arguments = [str(seed), str(bad), json.dumps({"inventory": "hosts.py", **plan})]
    return simulate(server, site, PROGRAM, arguments, count, operator)


@pytest.mark.parametrize(
    ("seed", "bad", "plan"),
    [
        (1, 0.0, {"window": "10%", "max_fail": "1%"}),
        (2, 0.1, {"window": "10%", "max_fail": "100%"}),
        (3, 0.3, {"window": "25", "max_fail": "5%", "canary": 3}),
        (4, 0.4, {"window": "100%", "max_fail": "10", "canary": 0, "order": "random"}),
        (5, 0.9, {"window": "7", "max_fail": "100%", "canary": 0}),
        (
            6,
            0.1,
            {
                "window": "30%",
                "max_fail": "100%",
                "share_of": "rack",
                "share": "1",
                "canary": 0,
                "order": "name",
            },
        ),
        (7, 0.0, {"max_fail": "0"}),
    ],
)
def test_scores_of_hosts_are_accounted_for(
    server: Server, site: Path, wanted: ReleaseTarget, seed: int, bad: float, plan: dict[str, Any]
) -> None:
    count = 60 if plan.get("share_of") else 40
    report = simulated(server, site, seed, bad, count, **plan)
    statuses = Counter(host["status"] for host in report["hosts"].values())
    assert sum(statuses.values()) == count == len(report["hosts"])
    sick = len(range(7, count, 250))  # could not even be looked at
    worked = {name for name, host in report["hosts"].items() if host["began"]}
    assert statuses["not started"] == count - len(worked) - sick
    broken = statuses["failed"] + statuses["unreachable"] + statuses["rolled back"]
    rollout = report["rollout"]
    if rollout["stopped"] == "budget":
        assert rollout["max_fail"] < broken <= rollout["max_fail"] + max(2, rollout["window"])
        assert report["exit"] == 5
    elif rollout["stopped"] == "canary":
        assert set(worked) == set(rollout["canaries"])
    else:
        assert statuses["not started"] == 0 and broken <= rollout["max_fail"]
    assert report["exit"] != 0
    for rack in range(20) if rollout["plan"]["share_of"] else ():
        ours = [report["hosts"][f"@fake/mlu{i:03}"] for i in range(rack, count, 20)]
        spans = sorted((h["began"], h["ended"]) for h in ours if h["began"])
        assert all(one[1] <= two[0] for one, two in pairwise(spans))


@pytest.mark.parametrize("operator", ["says yes", "says no"])
def test_an_operator_is_asked_after_the_canaries(
    server: Server, site: Path, wanted: ReleaseTarget, operator: str
) -> None:
    report = simulated(server, site, 1, 0.0, 6, operator, confirm=True, canary=2, window="3")
    begun = [name for name, host in report["hosts"].items() if host["began"]]
    assert len(begun) == (6 if "yes" in operator else 2)
    assert report["rollout"]["stopped"] == ("" if "yes" in operator else "declined")
    assert report["exit"] == (0 if "yes" in operator else 5)


def test_a_pause_lies_between_the_canaries_and_the_rest(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    report = simulated(server, site, 1, 0.0, 6, pause=2, canary=2, window="100%")
    spans = sorted((host["began"], host["ended"]) for host in report["hosts"].values())
    assert spans[2][0] - max(end for _, end in spans[:2]) >= 2


def test_what_breaks_on_one_host_is_its_own_failure(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    report = simulated(server, site, 1, 0.0, 6, "breaks", max_fail="1", window="3")
    broken = report["hosts"].pop("@fake/mlu001")
    assert broken["status"] == "failed" and broken["failure"]["code"] == "INTERNAL"
    assert broken["failure"]["sentence"].endswith("RuntimeError: of this host")
    assert {host["status"] for host in report["hosts"].values()} == {"changed"}
    assert report["exit"] == 2


def test_what_may_not_be_stopped_keeps_an_adoption_away_from_its_host(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    plan = {"kind": "adoption", "stop": ["old-kang"], "max_fail": "2", "window": "3"}
    report = simulated(server, site, 1, 0.0, 6, **plan)
    blocked = report["hosts"].pop("@fake/mlu001")
    assert (blocked["status"], blocked["began"], blocked["way_back"]) == ("failed", None, "")
    assert blocked["failure"]["code"] == "ADOPTION_BLOCKED"
    assert blocked["failure"]["sentence"].endswith("container kang: it may not be stopped")
    # nobody knows what would be stopped there
    unknown = report["hosts"].pop("@fake/mlu002")
    assert (unknown["began"], unknown["failure"]["code"]) == (None, "PROBE_FAILED")
    assert {host["status"] for host in report["hosts"].values()} == {"adopted"}
    assert (report["kind"], report["exit"]) == ("adoption", 2)


RETIREMENT = {"kind": "retirement", "limit": ["all"], "max_fail": "1", "window": "3"}


def test_a_retirement_says_of_every_host_what_stays_and_why(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    hook = 'echo "$MLUFLEET_STATUS" >> statuses'
    report = simulated(server, site, 1, 0.0, 6, "says yes", **RETIREMENT, after=hook)
    statuses = Counter((site / "statuses").read_text().split())
    assert statuses == {"retired": 3, "failed": 1}
    lines = read_lines(site / "runs" / report["run"])
    answers = [line for line in lines if line["kind"] in ("asked", "answered")]
    assert [answers[0]["question"], answers[1]["approved"]] == ["asked about 4?", True]
    assert "all of it\n" in (site / "stderr").read_text()
    hosts = {name[-1]: host for name, host in report["hosts"].items()}
    assert {name: host["status"] for name, host in hosts.items()} == {
        **{"0": "retired", "1": "skipped", "2": "ok", "3": "failed"},
        **{"4": "retired", "5": "retired"},
    }
    assert hosts["1"]["failure"]["code"] == "CARD_BUSY"
    assert hosts["3"]["failure"]["code"] == "NOT_RETIRED"
    driver = {"what": "driver", "why": "it was there", "remedy": "--driver"}
    assert all(hosts[name]["left"] == [driver] for name in "02345")
    log = site / "runs" / report["run"] / hosts["4"]["audit_log"]
    assert log.read_text() == "log of @fake/mlu004"
    assert hosts["2"]["audit_log"] == "" and hosts["0"]["drift"] == {"state": ["remove state"]}
    assert all(host["way_back"] == "" for host in hosts.values())


def test_without_approval_nothing_is_retired(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    report = simulated(server, site, 1, 0.0, 6, "says no", **RETIREMENT)
    assert (report["rollout"]["stopped"], report["exit"]) == ("declined", 5)
    assert {host["began"] for host in report["hosts"].values()} == {None}


def test_a_dry_retirement_asks_nothing_and_removes_nothing(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    report = simulated(server, site, 1, 0.0, 6, **RETIREMENT, dry=True, driver=True)
    assert "all of it" not in (site / "stderr").read_text()
    assert report["dry"] and {host["began"] for host in report["hosts"].values()} == {None}
    assert [host["left"] for host in report["hosts"].values()] == [[]] * 6
    assert report["exit"] == 0


MARK = quarantine.Quarantine.begin("kang@ops", "cards drop", "CARD_DROPPED", 0)


def test_hosts_in_quarantine_are_left_out_and_count_for_nothing(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    file, names = site / quarantine.FILE_NAME, [f"@fake/mlu{number:03}" for number in range(4)]
    quarantine.add(file, {names[0]: MARK, names[3]: MARK, "other": MARK})
    plan = {"canary": 1, "window": "100%", "max_fail": "0"}
    report = simulated(server, site, 1, 0.0, 4, **plan)
    assert [report["hosts"][name]["status"] for name in names] == [
        *("skipped", "changed", "changed", "skipped")
    ]
    mark = {**MARK.model_dump(), "included": False}
    assert [report["hosts"][name]["quarantine"] for name in names] == [mark, None, None, mark]
    assert "host unquarantine hosts.py" in report["hosts"][names[0]]["notes"][0]
    assert (report["exit"], report["rollout"]["canaries"]) == (0, [names[1]])
    assert report["rollout"]["window"] == 2  # of two hosts
    assert f"{names[0]}: left out: in quarantine" in (site / "stderr").read_text()

    included = simulated(server, site, 1, 0.0, 4, **plan, include_quarantined=True)
    assert {host["status"] for host in included["hosts"].values()} == {"changed"}
    assert included["hosts"][names[0]]["quarantine"] == {**mark, "included": True}


def test_a_host_that_comes_into_quarantine_meanwhile_does_not_start(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    names = [f"@fake/mlu{number:03}" for number in range(4)]
    quarantine.add(site / "later.yml", {names[2]: MARK})
    plan = {"canary": 1, "window": "1", "before": f"cp later.yml {quarantine.FILE_NAME}"}
    report = simulated(server, site, 1, 0.0, 4, **plan)
    statuses = [report["hosts"][name]["status"] for name in names]
    assert statuses == ["changed", "changed", "skipped", "changed"] and report["exit"] == 0
    assert report["hosts"][names[2]]["quarantine"]["by"] == "kang@ops"
    # without a canary, nothing is known of the release
    quarantine.remove(site / quarantine.FILE_NAME, names)
    report = simulated(server, site, 1, 0.0, 4, **{**plan, "canary": 3})
    assert (report["rollout"]["stopped"], report["hosts"][names[3]]["began"]) == ("canary", None)


def test_a_retirement_ends_the_quarantine_of_hosts_that_are_given_back(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    names = [f"@fake/mlu{number:03}" for number in range(6)]
    file = site / quarantine.FILE_NAME
    quarantine.add(file, {names[0]: MARK, names[3]: MARK, "other": MARK})
    simulated(server, site, 1, 0.0, 6, **RETIREMENT, dry=True)
    simulated(server, site, 1, 0.0, 6, "says no", **RETIREMENT)
    assert list(quarantine.load(file)) == [names[0], names[3], "other"]
    report = simulated(server, site, 1, 0.0, 6, "says yes", **RETIREMENT)
    assert [report["hosts"][name]["status"] for name in (names[0], names[3])] == [
        *("retired", "failed")
    ]
    assert list(quarantine.load(file)) == [names[3], "other"]
