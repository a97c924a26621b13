"""The history of a fleet as small charts: positions within boxes that the page stretches."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from fleet.language import CHINESE, ENGLISH, N_, _, current_language
from fleet.text.times import format_duration, format_utc
from mlufleet.watch import problems
from mlufleet.watch.problems import Change
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot

#: moment, health, and how many hosts more or fewer have it from then on
Step = tuple[float, str, int]
#: health of a host, when it began and when it ended
Span = tuple[str, float, float]

#: seconds of history that the page shows
HISTORY_S = 7 * 86400
#: healths that have a layer, from the axis upward; of the others there is nothing to tell
LAYERS = (problems.BROKEN, problems.UNREACHABLE, problems.DEGRADED, problems.BUSY)
#: height of the box that the layers are drawn in
BOX_HEIGHT = 100
#: the largest figure has this share of the height, so that its edge is seen
MAX_SHARE = 0.96


class Period(NamedTuple):
    """A stretch of time that ends now, in buckets of equal length.

    Attributes:
        title: What it is called.
        bucket_s: Seconds of a bucket.
        buckets: How many.
        tick_s: Seconds between two marks on the axis.
        tick_formats: How the times of the marks are written, in each language.
    """

    title: str
    bucket_s: int
    buckets: int
    tick_s: int
    tick_formats: dict[str, str]


DAY = Period(N_("24 hours"), 900, 96, 6 * 3600, dict.fromkeys((ENGLISH, CHINESE), "%H:%M"))
WEEK = Period(N_("7 days"), 7200, 84, 86400, {ENGLISH: "%b %d", CHINESE: "%m-%d"})


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows.
        summary: The same in a sentence, for those who do not see it.
        top: The largest figure, as it is written beside the axis.
        buckets: Width of the box.
        layers: Health or other CSS class -> path within the box.
        ticks: Places of marks on the axis in percent, and their texts.
        started: Place of the moment at which the watch began, in percent; None if it is older.
        unseen: Share of the width, from the left, of which no look is known, in percent.
    """

    title: str
    summary: str
    top: str
    buckets: int
    layers: dict[str, str]
    ticks: list[tuple[float, str]]
    started: float | None
    unseen: float


def build_charts(snapshot: FleetSnapshot, changes: Sequence[Change]) -> list[Chart]:
    """Return all charts of a fleet.

    Args:
        snapshot: The fleet.
        changes: Changes of the last :data:`HISTORY_S` seconds, in any order.
    """
    spans = _list_all_spans(snapshot, sorted(changes, key=lambda change: change.time))
    known = (since for health, since, _until in spans if health != problems.UNKNOWN)
    known_since = min(known, default=snapshot.taken)
    opened = [change.time for change in changes if change.kind == "opened"]
    return [
        _make_chart(snapshot, known_since, period, *parts)
        for period in (DAY, WEEK)
        for parts in (
            _chart_health(snapshot, spans, period),
            _chart_openings(snapshot, opened, period),
        )
    ]


def _list_all_spans(snapshot: FleetSnapshot, changes: Sequence[Change]) -> list[Span]:
    by_host: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind == "health":
            by_host.setdefault(change.host, []).append(change)
    return [
        span
        for name, host in snapshot.hosts.items()
        for span in list_spans(host, by_host.get(name, []), snapshot.taken)
    ]


def _make_chart(
    snapshot: FleetSnapshot,
    known_since: float,
    period: Period,
    texts: tuple[str, str, str],
    layers: dict[str, str],
) -> Chart:
    """Return a chart with what all charts of a period share."""
    begin = _begin_of(period, snapshot)
    unseen = 100 * (known_since - begin) / (snapshot.taken - begin)
    return Chart(
        *texts,
        buckets=period.buckets,
        layers=layers,
        ticks=_list_ticks(begin, snapshot.taken, period),
        started=_place(snapshot.started, begin, snapshot.taken),
        unseen=round(min(100.0, max(0.0, unseen)), 2),
    )


def _begin_of(period: Period, snapshot: FleetSnapshot) -> float:
    return snapshot.taken - period.bucket_s * period.buckets


def _chart_health(
    snapshot: FleetSnapshot, spans: Sequence[Span], period: Period
) -> tuple[tuple[str, str, str], dict[str, str]]:
    """Return title, summary and top of a chart, and its layers."""
    begin = _begin_of(period, snapshot)
    steps: list[Step] = []
    for health, since, until in spans:
        if health in LAYERS and until > begin:
            steps += [(since, health, 1), (until, health, -1)]
    layers = _find_worst(sorted(steps), begin, period)
    sums = [sum(figures) for figures in zip(*layers.values(), strict=True)]
    peak, total = max(sums), len(snapshot.hosts)
    when = format_utc(begin + period.bucket_s * sums.index(peak))
    texts = (
        _("Hosts that are not ok, last {period}", period=_(period.title)),
        _("At most {peak} of {total} hosts, first after {when}", peak=peak, total=total, when=when)
        if peak
        else _("None"),
        _("at most {peak} of {total}", peak=peak, total=total) if peak else _("none"),
    )
    return texts, _stack(layers, peak)


def _find_worst(steps: list[Step], begin: float, period: Period) -> dict[str, list[int]]:
    """Return health -> hosts in each bucket, at the moment in it when most hosts were not ok."""
    layers = {health: [0] * period.buckets for health in LAYERS}
    now: Counter[str] = Counter()
    rest = deque(steps)
    for index in range(period.buckets):
        end = begin + (index + 1) * period.bucket_s
        _apply_steps(rest, now, end - period.bucket_s)
        worst = now.copy()
        while rest and rest[0][0] < end:
            _apply_steps(rest, now, rest[0][0])
            if now.total() > worst.total():
                worst = now.copy()
        for health, figures in layers.items():
            figures[index] = worst[health]
    return layers


def _apply_steps(rest: deque[Step], now: Counter[str], moment: float) -> None:
    """Take the steps up to a moment from those that are left, and count them."""
    while rest and rest[0][0] <= moment:
        _moment, health, step = rest.popleft()
        now[health] += step


def _chart_openings(
    snapshot: FleetSnapshot, opened: Sequence[float], period: Period
) -> tuple[tuple[str, str, str], dict[str, str]]:
    """Return title, summary and top of a chart, and its layers."""
    begin = _begin_of(period, snapshot)
    figures = [0] * period.buckets
    for moment in opened:
        index = int((moment - begin) // period.bucket_s)
        if index >= 0:
            figures[min(index, period.buckets - 1)] += 1
    total, peak = sum(figures), max(figures)
    every = format_duration(period.bucket_s)
    texts = (
        _("Problems opened, last {period}", period=_(period.title)),
        _("{total} in all, at most {peak} within {every}", total=total, peak=peak, every=every)
        if total
        else _("None"),
        _("{total}, at most {peak} in {every}", total=total, peak=peak, every=every)
        if total
        else _("none"),
    )
    return texts, _stack({"opened": figures}, peak)


def list_spans(host: HostSnapshot, changes: Sequence[Change], now: float) -> Iterator[Span]:
    """Return the healths of a host, each with when it began and ended.

    Args:
        host: The host.
        changes: Its changes of health, by their time; those that are known.
        now: End of the last span.
    """
    end = now
    for change in reversed(changes):
        if change.time < end:
            yield change.problem.subject, change.time, end
            end = change.time
    earlier = problems.earlier_health(changes[0].problem) if changes else host.state.health
    since = changes[0].since if changes else host.state.since
    if since is not None and since < end:
        yield earlier, since, end


def _stack(layers: dict[str, list[int]], peak: int) -> dict[str, str]:
    """Return the layers that are not empty as paths of steps, each on top of the one before."""
    paths: dict[str, str] = {}
    if not peak:
        return paths
    scale = BOX_HEIGHT * MAX_SHARE / peak
    base = [0] * len(next(iter(layers.values())))
    for name, figures in layers.items():
        tops = [low + figure for low, figure in zip(base, figures, strict=True)]
        if any(figures):
            paths[name] = _draw_steps(base, tops, scale)
        base = tops
    return paths


def _draw_steps(lows: list[int], highs: list[int], scale: float) -> str:
    """Return a path around each run of buckets in which there is something."""
    parts: list[str] = []
    begin: int | None = None
    for index in range(len(highs) + 1):
        filled = index < len(highs) and highs[index] > lows[index]
        if filled and begin is None:
            begin = index
        elif not filled and begin is not None:
            up = "".join(f"V{_height(high, scale)}h1" for high in highs[begin:index])
            down = "".join(f"V{_height(low, scale)}h-1" for low in reversed(lows[begin:index]))
            parts.append(f"M{begin} {_height(lows[begin], scale)}{up}{down}z")
            begin = None
    return "".join(parts)


def _height(figure: int, scale: float) -> str:
    return f"{BOX_HEIGHT - figure * scale:.4g}"


def _list_ticks(begin: float, now: float, period: Period) -> list[tuple[float, str]]:
    """Return marks at round times of the day, in UTC."""
    first = datetime.fromtimestamp(begin, timezone.utc)
    moment = first.replace(hour=0, minute=0, second=0, microsecond=0)
    ticks = []
    while moment.timestamp() < now:
        if (place := _place(moment.timestamp(), begin, now)) is not None and place < 96:
            ticks.append((place, moment.strftime(period.tick_formats[current_language()])))
        moment += timedelta(seconds=period.tick_s)
    return ticks


def _place(moment: float, begin: float, now: float) -> float | None:
    """Return where a moment is, in percent of the width; None if it is not in the period."""
    return round(100 * (moment - begin) / (now - begin), 2) if begin < moment < now else None
