"""What a retirement decides of what was found."""

from __future__ import annotations

from typing import cast

import pytest

from fleet.errors import Failure
from operations.host.job import RemoteJob
from operations.retirement.decisions import decide
from operations.retirement.model import RetirementOptions, RetirementPlan, Trace
from operations.retirement.traces import parse_traces


def trace(kind: str, name: str, group: str = "", state: str = "ours", detail: str = "") -> Trace:
    return Trace(kind, name, group, state, detail)


STATE = trace("state", "/var/lib/mlufleet")
EVERYTHING = (
    STATE,
    trace("folder", "/data", state="not empty"),
    trace("package", "docker.io", "engine"),
    trace("package", "driver", "driver"),
    trace("module", "cambricon_drv", "driver"),
    trace("file", "/data/w/a", "weights"),
    trace("file", "/data/w/b", "weights"),
    trace("checkout", "/data/outer"),
    trace("checkout", "/data/outer/inner"),
    trace("container", "torch"),
    trace("adopted", "container:c2"),
)


def steps(plan: RetirementPlan) -> list[str]:
    return list(plan.drift)


def jobs(plan: RetirementPlan, step: str) -> list[RemoteJob]:
    found = plan.find_step(step)
    return [cast(RemoteJob, command) for command in found.commands()] if found else []


def test_the_steps_go_in_an_order_that_leaves_the_host_usable() -> None:
    plan = decide(EVERYTHING, RetirementOptions(driver=True, engine=True))
    order = ["containers", "checkouts", "files", "originals", "driver", "engine", "state"]
    assert steps(plan) == order
    assert plan.left == ()


def test_what_only_an_option_removes_stays_without_it_and_is_named_once() -> None:
    plan = decide(EVERYTHING, RetirementOptions(keep_weights=True))
    assert steps(plan) == ["containers", "checkouts", "originals", "state"]
    assert {item.what.split(":")[0] for item in plan.left} == {"engine", "driver", "weights"}
    (state,) = (step for step in plan.steps if step.step == "state")
    (command,) = state.commands()
    assert vars(command)["keeps_record"]


def test_what_lies_inside_something_goes_before_it() -> None:
    (job,) = jobs(decide(EVERYTHING, RetirementOptions()), "checkouts")
    assert job.stdin == "checkout\t/data/outer/inner\ncheckout\t/data/outer\n"


def test_a_container_of_somebody_is_put_back_by_the_script_that_stopped_it() -> None:
    (job,) = jobs(decide(EVERYTHING, RetirementOptions()), "originals")
    assert (job.script_name, job.arguments) == ("container", ("put-back", "c2"))


def test_many_files_go_in_several_jobs() -> None:
    files = [trace("file", f"/data/w/{number}", "weights") for number in range(450)]
    parts = [job.stdin.count("\n") for job in jobs(decide(files, RetirementOptions()), "files")]
    assert sum(parts) == 450 and max(parts) <= 200


@pytest.mark.parametrize("state", ["edited", "in use", "made by somebody else"])
def test_what_is_not_as_it_was_left_stays_with_the_reason(state: str) -> None:
    plan = decide([trace("tree", "/data/t", state=state, detail="a.py")], RetirementOptions())
    assert not plan
    (left,) = plan.left
    assert left.what == "tree /data/t" and state in left.reason and "a.py" in left.reason


def test_what_was_kept_aside_is_named_with_its_place() -> None:
    kept = trace("aside", "/data/t.kept-1", state="kept aside", detail="it was at /data/t")
    (left,) = decide([trace("kept", "/data/t"), kept], RetirementOptions()).left
    assert left.what == "/data/t.kept-1" and "/data/t" in left.reason


def test_the_record_does_not_stay_for_a_link_to_its_folder() -> None:
    plan = decide([STATE, trace("link", STATE.name, state="somebody's")], RetirementOptions())
    (state,) = plan.steps
    (command,) = state.commands()
    assert not vars(command)["keeps_record"] and len(plan.left) == 1


def test_with_the_record_of_what_stays_nothing_is_left_to_do() -> None:
    record = trace("state", "/var/lib/mlufleet", state="record")
    assert not decide([record, trace("package", "driver", "driver")], RetirementOptions())
    assert steps(decide([record], RetirementOptions())) == ["state"]


def test_a_record_that_is_not_complete_is_completed_first() -> None:
    expected = [f"file\t/data/{number}\tx" for number in range(300)]
    plan = decide([trace("record", "made"), STATE], RetirementOptions(), expected)
    assert steps(plan) == ["record", "state"]
    first, last = jobs(plan, "record")
    assert (first.arguments, last.arguments) == ((), ("complete",))
    assert (first.stdin + last.stdin).splitlines() == expected


def test_a_list_without_an_end_is_no_list() -> None:
    line = "@@trace\tcontainer\ttorch\t\tours\t"
    assert parse_traces([line, "@@traces-end"]) == [trace("container", "torch")]
    failure = parse_traces([line])
    assert isinstance(failure, Failure) and failure.code == "PROBE_FAILED"
