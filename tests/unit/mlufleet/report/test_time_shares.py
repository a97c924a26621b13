from __future__ import annotations

from typing import Any

from mlufleet.report import time_shares
from mlufleet.report.model import parse_report


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
    report = run(slow=[("image", 0, 50)], late=[("lock", 40, 0.1), ("driver", 40, 30)])
    assert time_shares.critical_path(report) == ("late", [("driver", 30)])
    assert list(time_shares.summary_lines(report)) == [
        "time by stage: image 62%, driver 37%",
        "longest: late, driver 30 s",
    ]


def test_nothing_is_said_of_a_run_that_did_nothing() -> None:
    for report in (run(), run(a=[]), run(a=[("preflight", 0, 0.0)])):
        assert list(time_shares.summary_lines(report)) == []
