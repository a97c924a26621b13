"""Hosts through stages as bars on a common axis: where each lies, in percent of the width."""

from __future__ import annotations

from dataclasses import dataclass

from mlufleet.report.model import HostReport, Report, stage_name

#: up to so many hosts have room for their names above their bars
MAX_NAMED_HOSTS = 40
#: thin rows: every so-many-th host is named beside them
NAMED_ROW_INTERVAL = 20
TICK_STEPS_S = (
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1200,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
    86400,
    172800,
    604800,
)
MAX_TICKS = 6
#: what is seen of a stage that took no time
MIN_BAR_WIDTH_PERCENT = 0.12


@dataclass(frozen=True)
class Bar:
    stage: str
    left: float
    width: float
    seconds: float


@dataclass(frozen=True)
class Row:
    name: str
    host: HostReport
    top: int
    bars: list[Bar]
    end: float
    named: bool


@dataclass(frozen=True)
class Timeline:
    rows: list[Row]
    ticks: list[tuple[float, float]]
    thick: int
    gutter: float
    bottom: int

    @property
    def roomy(self) -> bool:
        return self.gutter == 0

    @property
    def stages(self) -> list[str]:
        return list(dict.fromkeys(stage_name(bar.stage) for row in self.rows for bar in row.bars))


def build_timeline(report: Report) -> Timeline:
    """Rows in the order in which the hosts were begun: batches of a rollout are seen as steps."""
    spans = {name: _stage_spans(host, report) for name, host in report.hosts.items()}
    starts = [began for bars in spans.values() for _, began, _ in bars]
    start = min([*starts, *([report.started] if report.started is not None else [])], default=0.0)
    ends = [began + seconds for bars in spans.values() for _, began, seconds in bars]
    long = max(1.0, max(ends, default=start) - start)
    roomy = len(spans) <= MAX_NAMED_HOSTS
    gutter = 0.0 if roomy else 9.0
    step, thick = (38, 16) if roomy else (8, 7) if len(spans) <= 150 else (4, 3)

    def place(seconds: float) -> float:
        return round(gutter + (98.5 - gutter) * seconds / long, 2)

    rows: list[Row] = []
    never = max(starts, default=start) + 1
    order = sorted(spans, key=lambda name: spans[name][0][1] if spans[name] else never)
    for index, name in enumerate(order):
        bars = [
            Bar(
                stage,
                place(began - start),
                max(MIN_BAR_WIDTH_PERCENT, round((98.5 - gutter) * seconds / long, 2)),
                seconds,
            )
            for stage, began, seconds in spans[name]
        ]
        end = bars[-1].left + bars[-1].width if bars else gutter
        rows.append(
            Row(
                name,
                report.hosts[name],
                24 + index * step,
                bars,
                round(end, 2),
                roomy or index % NAMED_ROW_INTERVAL == 0,
            )
        )
    return Timeline(
        rows, [(place(s), s) for s in _tick_times(long)], thick, gutter, 24 + len(rows) * step
    )


def _stage_spans(host: HostReport, report: Report) -> list[tuple[str, float, float]]:
    """Stage, begin, seconds; older reports do not say when a stage began: they follow on."""
    clock = next((t for t in (host.began, report.started) if t is not None), 0.0)
    spans: list[tuple[str, float, float]] = []
    for stage in host.stages:
        began = clock if stage.began is None else stage.began
        spans.append((stage.stage, began, max(0.0, stage.seconds)))
        clock = began + max(0.0, stage.seconds)
    return spans


def _tick_times(long: float) -> list[float]:
    step = next(
        (step for step in TICK_STEPS_S if long / step <= MAX_TICKS), int(long / MAX_TICKS) + 1
    )
    return [float(step * index) for index in range(int(long // step) + 1)]
