from __future__ import annotations

from typing import Any

import pytest

from mlufleet.report import time_shares
from mlufleet.report.critical_path import Transfer, find_critical_path, measure_parts
from mlufleet.report.model import HostReport, Report, StageReport, parse_report


def run(**hosts: list[tuple[str, float, float]]) -> Any:
    """Host -> stage, begin, seconds."""
    return parse_report(
        {
            "hosts": {
                name: {
                    "status": "changed",
                    "stages": [
                        {"stage": stage, "began": began, "seconds": seconds, "changes": ["x"]}
                        for stage, began, seconds in stages
                    ],
                }
                for name, stages in hosts.items()
            }
        }
    )


def test_a_stage_has_its_part_of_all_hosts_time_for_whichever_release() -> None:
    report = run(
        a=[("image of chat", 0, 30), ("image of code", 30, 30), ("smoke of chat", 60, 20)],
        b=[("driver", 0, 19), ("lock", 19, 1)],
    )
    assert time_shares.time_by_stage(report) == [("image", 0.6), ("smoke", 0.2), ("driver", 0.19)]


def test_the_longest_way_is_of_the_host_that_was_done_last() -> None:
    report = run(slow=[("image", 0, 50)], late=[("lock", 40, 0.1), ("driver", 40.1, 30)])
    path = find_critical_path(report)
    assert path is not None and path.host == "late" and path.seconds == 30.1
    assert path.stages == [("lock", 0.1), ("driver", 30)] and path.floor is None
    assert list(time_shares.summary_lines(report)) == [
        "time by stage: image 62%, driver 37%",
        "critical path: late, driver 30 s",
    ]


def test_what_ran_beside_the_slowest_is_not_on_the_path() -> None:
    report = run(
        a=[
            ("engine", 0, 5),
            ("sources", 5, 8),
            ("image", 5.02, 40),
            ("weights", 13.01, 20),
            ("container", 45.05, 2),
            ("smoke", 47.1, 10),
        ]
    )
    path = find_critical_path(report)
    assert path is not None and [stage for stage, _ in path.stages] == [
        *("engine", "image", "container", "smoke")
    ]
    assert path.seconds == 57.1 and report.hosts["a"].work_s == pytest.approx(57, abs=0.1)


def test_the_floor_is_the_slowest_of_wire_load_weights_and_smoke() -> None:
    """Weights wait for their turn on the wire, which is the wire's time."""
    stages = [
        StageReport(0, "image", 40, ["load"]),
        StageReport(2, "weights", 30, ["place"]),
        StageReport(40, "container", 2, ["create"]),
        StageReport(42, "smoke", 10, ["ask"]),
    ]
    transfers = [Transfer("image", -5, 12), Transfer("weights", 12, 29)]
    parts = measure_parts(stages, transfers)
    assert parts == {"wire": 34, "load": 28, "weights": 3, "smoke": 10}
    report = Report(hosts={"a": HostReport("changed", stages=stages, parts=parts)})
    path = find_critical_path(report)
    assert path is not None and (path.floor_part, path.floor, path.ratio) == ("wire", 34, 1.53)
    assert list(time_shares.summary_lines(report))[-1] == (
        "a took 52 s, 1.53 times the 34 s of its slowest part (wire)"
    )


def test_a_run_that_brings_neither_image_nor_weights_has_no_floor() -> None:
    stages = [StageReport(0, "image", 0.1), StageReport(1, "packages", 9, ["install"])]
    assert measure_parts(stages, []) == {}


def test_nothing_is_said_of_a_run_that_did_nothing() -> None:
    for report in (run(), run(a=[]), run(a=[("preflight", 0, 0.0)])):
        assert list(time_shares.summary_lines(report)) == []
