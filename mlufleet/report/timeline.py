"""The stages of hosts as bars on a common axis; all positions are percent of the width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlufleet.report.model import HostReport, Report, stage_name

#: with more hosts than this, rows are thin and have no room for names above their bars
MAX_NAMED_HOSTS = 40
#: with more hosts than this, rows are thinner still
MAX_THIN_HOSTS = 150
#: every so-many-th of the thin rows has a name beside it
NAMED_ROW_INTERVAL = 20
#: distances of the marks on the axis, in seconds
TICK_STEPS_S = (
    *(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200),
    *(86400, 172800, 604800),
)
MAX_TICKS = 6
#: bars that overlap for so many seconds follow each other
MAX_TOUCH_S = 0.25
#: a stage that took no time can still be seen
MIN_BAR_WIDTH = 0.12
#: place of the last moment; right of it is room for the sign of a failure
RIGHT_EDGE = 98.5
#: width of the names beside thin rows
LABEL_WIDTH = 9.0
#: place of the first row, in pixels
FIRST_ROW_TOP = 24


@dataclass(frozen=True)
class Bar:
    """A stage of a host.

    Attributes:
        stage: Its label.
        left: Where it begins.
        width: How long it is.
        seconds: How long it took.
        lane: Place from above among bars that run side by side, from 0.
        lanes: As many bars are above each other there.
    """

    stage: str
    left: float
    width: float
    seconds: float
    lane: int = 0
    lanes: int = 1

    @property
    def share(self) -> float:
        """Its part of the height of the row's bars."""
        return round(1 / self.lanes, 3)


@dataclass(frozen=True)
class Row:
    """A host.

    Attributes:
        name: Its name.
        host: Its report.
        top: Place of the row, in pixels.
        bars: Its stages.
        end: Where the last bar ends.
        is_named: Whether the row has room for the name.
    """

    name: str
    host: HostReport
    top: int
    bars: list[Bar]
    end: float
    is_named: bool


@dataclass(frozen=True)
class Timeline:
    """All hosts.

    Attributes:
        rows: Hosts in the order in which they began: batches of a rollout look like steps.
        ticks: Places on the axis, with their seconds since the begin.
        bar_height: Height of a bar, in pixels.
        is_roomy: Whether names stand above the bars; else some stand beside them.
        bottom: Lower end of the rows, in pixels.
    """

    rows: list[Row]
    ticks: list[tuple[float, float]]
    bar_height: int
    is_roomy: bool
    bottom: int

    @property
    def stages(self) -> list[str]:
        """Names of the stages that have bars."""
        return list(dict.fromkeys(stage_name(bar.stage) for row in self.rows for bar in row.bars))


@dataclass(frozen=True)
class _Span:
    stage: str
    began: float
    seconds: float


def build_timeline(report: Report) -> Timeline:
    """Return the rows of all hosts, with their bars.

    Args:
        report: Report of the run.
    """
    spans = {name: _stage_spans(host, report) for name, host in report.sorted_hosts()}
    starts = [span.began for host in spans.values() for span in host]
    ends = [span.began + span.seconds for host in spans.values() for span in host]
    first = min([*starts, *([report.started] if report.started is not None else [])], default=0.0)
    total = max(1.0, max(ends, default=first) - first)
    is_roomy = len(spans) <= MAX_NAMED_HOSTS
    label_width = 0.0 if is_roomy else LABEL_WIDTH
    percent_per_s = (RIGHT_EDGE - label_width) / total
    row_height, bar_height = _row_heights(len(spans))

    def place(began: float) -> float:
        return round(label_width + (began - first) * percent_per_s, 2)

    def bar(span: _Span, lane: int, lanes: int) -> Bar:
        width = max(MIN_BAR_WIDTH, round(span.seconds * percent_per_s, 2))
        return Bar(span.stage, place(span.began), width, span.seconds, lane, lanes)

    never = max(starts, default=first) + 1
    rows: list[Row] = []
    names = sorted(spans, key=lambda name: spans[name][0].began if spans[name] else never)
    for index, name in enumerate(names):
        bars = [bar(*placed) for placed in _assign_lanes(spans[name])]
        end = round(max((bar.left + bar.width for bar in bars), default=label_width), 2)
        top = FIRST_ROW_TOP + index * row_height
        is_named = is_roomy or index % NAMED_ROW_INTERVAL == 0
        rows.append(Row(name, report.hosts[name], top, bars, end, is_named))
    ticks = [(place(first + seconds), seconds) for seconds in _tick_times(total)]
    return Timeline(rows, ticks, bar_height, is_roomy, FIRST_ROW_TOP + len(rows) * row_height)


def _row_heights(hosts: int) -> tuple[int, int]:
    """Return the heights of a row and of a bar, in pixels."""
    if hosts <= MAX_NAMED_HOSTS:
        return 38, 16
    return (8, 7) if hosts <= MAX_THIN_HOSTS else (4, 3)


def _stage_spans(host: HostReport, report: Report) -> list[_Span]:
    # reports of older versions do not have the begin of a stage: it follows the one before
    clock = next((time for time in (host.began, report.started) if time is not None), 0.0)
    spans: list[_Span] = []
    for stage in host.stages:
        began = clock if stage.began is None else stage.began
        spans.append(_Span(stage.stage, began, max(0.0, stage.seconds)))
        clock = began + max(0.0, stage.seconds)
    return spans


def _assign_lanes(spans: Sequence[_Span]) -> Iterator[tuple[_Span, int, int]]:
    """Return spans, each with its lane and the lanes of all that it runs beside."""
    beside: list[tuple[_Span, int]] = []
    lane_ends: list[float] = []
    for span in sorted(spans, key=lambda span: span.began):
        # the events of a stage that waited for another are written just after it
        if beside and span.began >= max(lane_ends) - MAX_TOUCH_S:
            yield from ((each, lane, len(lane_ends)) for each, lane in beside)
            beside, lane_ends = [], []
        fitting = (lane for lane, end in enumerate(lane_ends) if span.began >= end - MAX_TOUCH_S)
        lane = next(fitting, len(lane_ends))
        lane_ends[lane : lane + 1] = [span.began + span.seconds]
        beside.append((span, lane))
    yield from ((each, lane, len(lane_ends)) for each, lane in beside)


def _tick_times(total: float) -> list[float]:
    fitting = (step for step in TICK_STEPS_S if total / step <= MAX_TICKS)
    step = next(fitting, int(total / MAX_TICKS) + 1)
    return [float(step * index) for index in range(int(total // step) + 1)]
