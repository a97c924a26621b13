"""Rollouts over fake hosts whose endpoints are counted whenever one of them goes or comes.

What a host serves and what its stages do is made up; looks, schedule, journal and report are real.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import InvalidInput
from fleet.release.target import ReleaseTarget
from mlufleet.cli.rollout_plan import build_plan
from mlufleet.rollout.plan import Plan
from tests.journals import read_lines
from tests.unit.mlufleet.rollout.conftest import Server, simulate

#: arguments: the plan, host -> endpoints at the beginning, host -> what becomes of it
PROGRAM = textwrap.dedent(
    """
    import json, sys
    import gevent
    from fleet.errors import Failure
    from mlufleet.rollout import coordinator, host_rollout, serving_watch
    from mlufleet.rollout.plan import Plan
    from operations.host.context import emit_event
    from operations.host.facts import EndpointFacts
    from operations.host.failures import fail_host
    from operations.host.probe import ProbeCache

    plan, first, fates, options = map(json.loads, sys.argv[1:])
    serving = {f"@fake/{name}": count for name, count in first.items()}
    states, trace, looks = {}, [sum(serving.values())], []
    serving_watch.LOOK_LIFETIME_S = options.get("lifetime", 0)
    serving_watch.LOOK_TIMEOUT_S = 10
    serving_watch.LOOK_INTERVAL_S = coordinator.LOOK_INTERVAL_S = 0.05
    serving_watch.RECOVERY_MARGIN_S = options.get("margin", 3)
    add = ProbeCache.add

    def add_endpoints(self, host, facts):
        looks.append(host.name)
        for found in facts.releases.values():
            state = states.get(host.name, "ready")
            found.endpoints = {
                str(n): EndpointFacts(str(n), "d", "ready" if n < serving.get(host.name, 0)
                else state, True) for n in range(max(serving.get(host.name, 0), state != "ready"))
            }
        add(self, host, facts)

    ProbeCache.add = add_endpoints

    def count(host, number):
        serving[host] = number
        trace.append(sum(serving.values()))

    def apply(self, host):
        before = serving.get(host.name, 0)
        fate = fates.get(host.name.removeprefix("@fake/"), "")
        emit_event(host, "stage", stage="smoke")
        count(host.name, 0)
        gevent.sleep(0.02)
        if fate == "fails":
            fail_host(host, Failure("SMOKE_ANSWER"), "smoke")
            return
        if fate == "gives up":
            states[host.name] = "failed"
        elif fate == "loads long":
            states[host.name] = "loading"
            gevent.spawn_later(0.5, count, host.name, before)
        else:
            count(host.name, before)
        emit_event(host, "stage-done", stage="smoke", changes=["ask"], seconds=1, driver="")

    host_rollout.Deployment.apply = apply
    look = serving_watch.Session.look

    def look_or_not(self, host, target=None):
        silent = fates.get(host.name.removeprefix("@fake/")) == "is silent"
        return Failure("UNREACHABLE") if silent else look(self, host, target)

    serving_watch.Session.look = look_or_not
    rollout = coordinator.RolloutCoordinator(
        Plan(**plan), "test", served_before=options.get("before"))
    report = rollout.roll_out()
    print(json.dumps({"report": json.loads(report.to_json()), "trace": trace, "looks": looks}))
    """
)
ONE_EACH = {f"mlu{number:03}": 1 for number in range(4)}


def roll_out(
    server: Server,
    site: Path,
    serving: dict[str, int],
    fates: dict[str, str] | None = None,
    count: int = 4,
    options: dict[str, Any] | None = None,
    **plan: Any,
) -> tuple[dict[str, Any], list[int]]:
    """Return the report, and how many endpoints were ready after each change."""
    fields = {"inventory": "hosts.py", "window": "100%", "canary": 0, "max_fail": "100%", **plan}
    arguments = [json.dumps(value) for value in (fields, serving, fates or {}, options or {})]
    result = simulate(server, site, PROGRAM, arguments, count)
    return result["report"], result["trace"]


def statuses(report: dict[str, Any]) -> list[str]:
    return [report["hosts"][name]["status"] for name in sorted(report["hosts"])]


@pytest.mark.parametrize(
    ("share", "count", "serving", "least"),
    [
        ("75%", 4, ONE_EACH, 3),
        ("50%", 4, ONE_EACH, 2),
        ("3", 4, ONE_EACH, 3),
        ("50%", 6, {"mlu000": 2, "mlu002": 2, "mlu005": 3}, 4),
    ],
)
def test_so_many_endpoints_stay_ready_at_any_moment(
    server: Server,
    site: Path,
    wanted: ReleaseTarget,
    share: str,
    count: int,
    serving: dict[str, int],
    least: int,
) -> None:
    report, trace = roll_out(server, site, serving, count=count, keep_serving=share)
    assert set(statuses(report)) == {"changed"} and report["exit"] == 0
    assert min(trace) == least, "as few as may be, as the window takes all hosts at once"
    serve = report["rollout"]["serving"]
    total = sum(serving.values())
    assert (serve["needed"], serve["of"], serve["sentence"]) == (least, total, "")
    assert serve["before"] == {f"@fake/{name}": number for name, number in serving.items()}


def test_without_the_option_nothing_is_held_back_and_nobody_looks(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    report, trace = roll_out(server, site, ONE_EACH)
    assert min(trace) == 0 and set(statuses(report)) == {"changed"}
    assert report["rollout"]["serving"] is None


def test_hosts_without_endpoints_are_not_held_back(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    serving = {"mlu000": 1, "mlu001": 1}
    report, trace = roll_out(server, site, serving, count=6, keep_serving="50%")
    assert set(statuses(report)) == {"changed"} and min(trace) == 1
    lines = read_lines(site / "runs" / report["run"])
    begun = [line["host"] for line in lines if line["kind"] == "begin"]
    # the second of the two waits for the first, and lets the others go ahead
    assert begun[-1] == "@fake/mlu001" and len(begun) == 6


def test_each_host_is_taken_after_a_look_that_the_journal_keeps(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    report, _ = roll_out(server, site, ONE_EACH, keep_serving="75%")
    lines = read_lines(site / "runs" / report["run"])
    counts = [line for line in lines if line["kind"] == "serving-counted"]
    assert (counts[0]["host"], counts[0]["ready"], counts[0]["of"]) == ("", 4, 4)
    taken = None
    for line in lines:
        if line["kind"] == "serving-counted" and not line["held"]:
            taken = line
        elif line["kind"] == "begin":
            assert taken and taken["host"] == line["host"] and taken["ready"] > taken["needed"]
            assert 0 <= line["time"] - taken["seen"] < 60
    assert any(line["held"] and line["ready"] == 3 for line in counts)


def test_a_share_that_lets_no_host_go_is_refused_before_the_first(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    serving = {"mlu000": 1, "mlu001": 1, "mlu002": 1}
    report, trace = roll_out(server, site, serving, count=3, keep_serving="75%")
    assert statuses(report) == ["not started"] * 3 and trace == [3]
    assert (report["rollout"]["stopped"], report["exit"]) == ("serving", 5)
    serve = report["rollout"]["serving"]
    assert "75% of 3 ready endpoints are 3" in serve["sentence"]
    assert "--keep-serving 66%" in serve["remedy"]


@pytest.mark.parametrize("fate", ["fails", "gives up"])
def test_endpoints_that_are_lost_stop_a_rollout_when_others_would_have_to_go(
    server: Server, site: Path, wanted: ReleaseTarget, fate: str
) -> None:
    options = {"margin": 600}  # it stops at once: nobody can bring the endpoint back
    report, trace = roll_out(
        server, site, ONE_EACH, {"mlu000": fate}, keep_serving="75%", options=options
    )
    first = "failed" if fate == "fails" else "changed"
    assert statuses(report) == [first, *["not started"] * 3]
    assert min(trace) == 3
    assert (report["rollout"]["stopped"], report["exit"]) == ("serving", 5)
    assert "3 of 4 endpoints are ready" in report["rollout"]["serving"]["sentence"]


def test_a_host_waits_until_endpoints_are_ready_again(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    fates = dict.fromkeys(("mlu000", "mlu001"), "loads long")
    report, trace = roll_out(server, site, ONE_EACH, fates, keep_serving="75%")
    assert set(statuses(report)) == {"changed"} and min(trace) == 3
    lines = read_lines(site / "runs" / report["run"])
    held = [line for line in lines if line["kind"] == "serving-counted" and line["held"]]
    assert 1 <= len(held) < 20, "a count that says the same as before is not repeated"


def test_waiting_for_a_host_that_does_not_answer_has_an_end(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    options = {"margin": 0.3}
    fates = dict.fromkeys(("mlu002", "mlu003"), "is silent")
    report, trace = roll_out(server, site, ONE_EACH, fates, keep_serving="75%", options=options)
    assert statuses(report) == ["not started"] * 4 and trace == [4]
    assert report["rollout"]["stopped"] == "serving"
    assert report["rollout"]["serving"]["silent"] == ["@fake/mlu002", "@fake/mlu003"]
    assert report["rollout"]["serving"]["waiting"]


def test_canaries_wait_for_endpoints_too_and_go_first(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    report, trace = roll_out(
        server, site, ONE_EACH, {"mlu000": "loads long"}, keep_serving="75%", canary=2
    )
    assert set(statuses(report)) == {"changed"} and min(trace) == 3
    report, trace = roll_out(
        server, site, ONE_EACH, {"mlu000": "fails"}, keep_serving="50%", canary=1
    )
    assert statuses(report) == ["failed", *["not started"] * 3]
    assert report["rollout"]["stopped"] == "canary"


def test_a_resumed_rollout_counts_from_what_was_ready_when_the_first_began(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    left = {**ONE_EACH, "mlu000": 0}
    options = {"before": {f"@fake/{name}": 1 for name in ONE_EACH}, "margin": 0.3}
    report, trace = roll_out(server, site, left, keep_serving="75%", options=options)
    serve = report["rollout"]["serving"]
    assert (serve["of"], serve["needed"]) == (4, 3) and min(trace) == 3
    # the host that lost its endpoint is worked on, and the others do not go without it
    assert report["hosts"]["@fake/mlu000"]["began"] is not None
    assert statuses(report) == ["changed", *["not started"] * 3]


def test_one_look_is_good_for_hosts_that_start_together(
    server: Server, site: Path, wanted: ReleaseTarget
) -> None:
    serving = {f"mlu{number:03}": 1 for number in range(6)}
    fields = {"inventory": "hosts.py", "window": "100%", "canary": 0, "keep_serving": "50%"}
    looks = []
    for lifetime in (60, 0):
        arguments = [json.dumps(value) for value in (fields, serving, {}, {"lifetime": lifetime})]
        result = simulate(server, site, PROGRAM, arguments, 6)
        assert min(result["trace"]) == 3
        looks.append(len(result["looks"]))
    assert looks[0] < looks[1]


def test_a_plan_of_an_earlier_version_keeps_nothing_and_wrong_shares_are_refused() -> None:
    assert Plan(inventory="hosts.py").keep_serving == "0%"
    assert build_plan("rollback", "hosts.py", {"keep_serving": "75%"}).keep_serving == "75%"
    for kind, share, word in (
        ("rollout", "101%", "more than 100%"),
        ("adoption", "most", "neither a number"),
        ("retirement", "50%", "go for good"),
    ):
        with pytest.raises(InvalidInput, match=word):
            build_plan(kind, "hosts.py", {"keep_serving": share, "limit": ("all",)})
