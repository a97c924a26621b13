"""What a run waited for: the stages of its last host that followed each other, and the floor.

The stage before another one on the path is the one that ended last before that one began. The
floor is what the host would have needed if all else had run beside the slowest part: the wire,
the load of the image, the verification of weights, the smoke test. All of it is measured; nothing
is estimated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlufleet.report.model import (
    CriticalPath,
    Report,
    StageReport,
    covered_seconds,
    stage_name,
)

#: a stage that begins so many seconds before another one ends has still waited for it: the events
#: of both are written one after the other
CLOCK_SLACK_S = 0.25

#: when something began and ended, in seconds since the epoch
Span = tuple[float, float]


@dataclass(frozen=True)
class Transfer:
    """A transfer of files to a host.

    Attributes:
        stage: Label of the stage that needs them.
        began: When it began, in seconds since the epoch.
        ended: When it ended.
    """

    stage: str
    began: float
    ended: float


def find_critical_path(report: Report) -> CriticalPath | None:
    """Return what the host waited for that was done last.

    Args:
        report: Report of the run.

    Returns:
        The path; None if no stage ended on any host, or the report does not say when they began.
    """
    ends = {name: max(map(_end, host.stages)) for name, host in report.hosts.items() if host.stages}
    if not ends:
        return None
    name = max(ends, key=lambda host: ends[host])
    host = report.hosts[name]
    stages = walk_back(host.stages)
    if not stages:
        return None
    path = CriticalPath(host=name, stages=[(stage.stage, stage.seconds) for stage in stages])
    path.seconds = round(ends[name] - min(stage.began or 0.0 for stage in host.stages), 2)
    if host.parts:
        path.floor_part = max(host.parts, key=lambda part: host.parts[part])
        path.floor = host.parts[path.floor_part]
        path.ratio = round(path.seconds / path.floor, 2) if path.floor else None
    return path


def walk_back(stages: Sequence[StageReport]) -> list[StageReport]:
    """Return the stages of a host that followed each other, up to the one that ended last.

    Args:
        stages: All of its stages.
    """
    if any(stage.began is None for stage in stages):
        return list(stages)  # of an older version, which ran them one after the other
    left = sorted(stages, key=_end)
    path = [left.pop()]
    while left:
        stage = left.pop()
        if _end(stage) <= (path[-1].began or 0.0) + CLOCK_SLACK_S:
            path.append(stage)
    return path[::-1]


def _end(stage: StageReport) -> float:
    return (stage.began or 0.0) + stage.seconds


def measure_parts(stages: Sequence[StageReport], transfers: Sequence[Transfer]) -> dict[str, float]:
    """Return the seconds of the parts of a first provisioning that no overlap makes shorter.

    Args:
        stages: The stages of a host.
        transfers: The transfers to it.

    Returns:
        "wire", in which at least one file came; "load", "weights" and "smoke", what those stages
        did when none of their files came. Empty if neither an image nor weights were brought.
    """
    changed = [stage for stage in stages if stage.changes]
    if not {"image", "weights"} & {stage_name(stage.stage) for stage in changed}:
        return {}
    parts = {"wire": covered_seconds((one.began, one.ended) for one in transfers)}
    for part, name in (("load", "image"), ("weights", "weights"), ("smoke", "smoke")):
        parts[part] = 0.0
        for stage in (stage for stage in changed if stage_name(stage.stage) == name):
            # weights wait for their turn while the image comes
            waits = [
                (one.began, one.ended)
                for one in transfers
                if name == "weights" or one.stage == stage.stage
            ]
            parts[part] += _seconds_outside((stage.began or 0.0, _end(stage)), waits)
    return {part: round(seconds, 2) for part, seconds in parts.items()}


def _seconds_outside(span: Span, others: Iterable[Span]) -> float:
    began, ended = span
    inside = ((max(began, left), min(ended, right)) for left, right in others)
    return ended - began - covered_seconds(part for part in inside if part[0] < part[1])
