"""Where the time of a run went: the share of each stage, and the critical path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from mlufleet.report.critical_path import find_critical_path
from mlufleet.report.model import Report, stage_name

#: stages with a smaller share of the time are left out
MIN_SHARE = 0.02
#: shorter stages are left out of the critical path
MIN_STAGE_S = 0.5


def time_by_stage(report: Report) -> list[tuple[str, float]]:
    """Return stages with their share of the time of all hosts (0 to 1), the largest first.

    Args:
        report: Report of the run.
    """
    seconds: dict[str, float] = defaultdict(float)
    for host in report.hosts.values():
        for stage in host.stages:
            seconds[stage_name(stage.stage)] += stage.seconds
    total = sum(seconds.values())
    if not total:
        return []
    ordered = sorted(seconds.items(), key=lambda item: -item[1])
    return [(name, spent / total) for name, spent in ordered if spent / total >= MIN_SHARE]


def summary_lines(report: Report) -> Iterator[str]:
    """Return both in a line each; nothing if no stage took a noticeable time.

    Args:
        report: Report of the run.
    """
    shares, path = time_by_stage(report), report.critical_path or find_critical_path(report)
    if not shares or path is None:
        return
    least = max(MIN_SHARE * path.seconds, MIN_STAGE_S)
    stages = [f"{stage} {seconds:.0f} s" for stage, seconds in path.stages if seconds >= least]
    if not stages:
        return
    yield "time by stage: " + ", ".join(f"{stage} {share:.0%}" for stage, share in shares)
    yield f"critical path: {path.host}, " + ", ".join(stages)
    if path.floor is not None and path.ratio is not None:
        yield (
            f"{path.host} took {path.seconds:.0f} s, {path.ratio:.2f} times the "
            f"{path.floor:.0f} s of its slowest part ({path.floor_part})"
        )
