"""Where the time of a run went: the share of each stage, and the critical path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from fleet.language import _
from fleet.text import word_lists
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


def describe_shares(report: Report, room: int) -> str:
    """Return the stages that took the most time, as many as there is room for; or empty.

    Args:
        report: Report of the run.
        room: Cells of the line.
    """
    line = ""
    for count in range(1, len(time_by_stage(report)) + 1):
        longer = _format_shares(time_by_stage(report)[:count])
        if cell_len(longer) > room:
            break
        line = longer
    return line


def _format_shares(shares: Sequence[tuple[str, float]]) -> str:
    stages = word_lists.join_words(f"{stage} {share:.0%}" for stage, share in shares)
    return _("time by stage: {stages}", stages=stages)


def summary_lines(report: Report) -> Iterator[str]:
    """Return both in a line each; nothing if no stage took a noticeable time.

    Args:
        report: Report of the run.
    """
    shares, path = time_by_stage(report), report.critical_path or find_critical_path(report)
    if not shares or path is None:
        return
    least = max(MIN_SHARE * path.seconds, MIN_STAGE_S)
    stages = [
        _("{stage} {seconds:.0f} s", stage=stage, seconds=seconds)
        for stage, seconds in path.stages
        if seconds >= least
    ]
    if not stages:
        return
    yield _format_shares(shares)
    yield _("critical path: {host}, {stages}", host=path.host, stages=word_lists.join_words(stages))
    if path.floor is not None and path.ratio is not None:
        yield _(
            "{host} took {seconds} s, {ratio} times the {floor} s of its slowest part ({part})",
            host=path.host,
            seconds=f"{path.seconds:.0f}",
            ratio=f"{path.ratio:.2f}",
            floor=f"{path.floor:.0f}",
            part=path.floor_part,
        )
