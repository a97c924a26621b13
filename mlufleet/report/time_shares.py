"""Where the time of a run went: the share of each stage, and the critical path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

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


def critical_path(report: Report) -> tuple[str, list[tuple[str, float]]] | None:
    """Return the host that ended last, and its long stages with their seconds.

    Args:
        report: Report of the run.

    Returns:
        None if no stage ended on any host.
    """
    ends = {
        name: max((stage.began or 0.0) + stage.seconds for stage in host.stages)
        for name, host in report.hosts.items()
        if host.stages
    }
    if not ends:
        return None
    name = max(ends, key=lambda host: ends[host])
    stages = report.hosts[name].stages
    least = max(MIN_SHARE * sum(stage.seconds for stage in stages), MIN_STAGE_S)
    return name, [(stage.stage, stage.seconds) for stage in stages if stage.seconds >= least]


def summary_lines(report: Report) -> Iterator[str]:
    """Return both in a line each; nothing if no stage took a noticeable time.

    Args:
        report: Report of the run.
    """
    shares, path = time_by_stage(report), critical_path(report)
    if not shares or path is None or not path[1]:
        return
    yield "time by stage: " + ", ".join(f"{stage} {share:.0%}" for stage, share in shares)
    host, stages = path
    yield f"longest: {host}, " + ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in stages)
