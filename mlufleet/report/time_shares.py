"""Where the time of a run went: each stage's share of it, and the way that took longest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mlufleet.report.model import Report, stage_name

#: a stage with less of the whole is not named
MIN_SHARE = 0.02


def time_by_stage(report: Report) -> list[tuple[str, float]]:
    """Stage and its part of all hosts' time, the biggest first."""
    seconds: Counter[str] = Counter()
    for host in report.hosts.values():
        for stage in host.stages:
            seconds[stage_name(stage.stage)] += stage.seconds  # type: ignore[assignment]
    total = sum(seconds.values())
    return (
        [
            (stage, spent / total)
            for stage, spent in seconds.most_common()
            if spent / total >= MIN_SHARE
        ]
        if total
        else []
    )


def critical_path(report: Report) -> tuple[str, list[tuple[str, float]]] | None:
    """The host that was done last, with seconds and stage of what held it: the critical path."""
    ends = {
        name: max((stage.began or 0.0) + stage.seconds for stage in host.stages)
        for name, host in report.hosts.items()
        if host.stages
    }
    if not ends:
        return None
    name = max(ends, key=lambda host: ends[host])
    stages = report.hosts[name].stages
    total = sum(stage.seconds for stage in stages)
    held = [(s.stage, s.seconds) for s in stages if s.seconds >= max(MIN_SHARE * total, 0.5)]
    return name, held


def summary_lines(report: Report) -> Iterator[str]:
    """Both in a line each; nothing of a run in which nothing took any time."""
    parts = time_by_stage(report)
    way = critical_path(report)
    if not parts or way is None or not way[1]:
        return
    yield "time by stage: " + ", ".join(f"{stage} {share:.0%}" for stage, share in parts)
    name, held = way
    said = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in held)
    yield f"longest: {name}, {said}"
