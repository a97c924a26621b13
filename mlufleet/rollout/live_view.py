"""What an operator sees of a rollout: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import gevent
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fleet.error_codes import DEFERRED_CODES
from fleet.language import N_, _, n_
from fleet.text.times import format_duration
from fleet.text.word_lists import join_parts
from mlufleet.journal import events
from mlufleet.journal.events import Event
from mlufleet.journal.listening import listening
from mlufleet.report import host_ranges
from mlufleet.report.model import CHANGED_STATUSES
from mlufleet.report.statuses import status_color
from operations.host.events import EventBus

REFRESH_INTERVAL_S = 0.5
#: in a larger rollout not every event has a line
MAX_DETAILED_HOSTS = 50
#: in a large rollout, lines about hosts that are done
MAX_DONE_LINES = 50
#: in a large rollout, hosts whose failure with the same code has a line
MAX_LINES_PER_CODE = 3
#: lines of the terminal that are not rows of hosts
FRAME_LINES = 6
MIN_ROWS = 3
#: cells of the columns of the live table: host, stage, step and time
MIN_WIDTHS = (12, 10, 8, 6)
STEP_COLUMN = 2
STOPPING_NOW = N_("stopping now")
STOPPING = N_("stopping when the hosts at work have ended; interrupt again to stop at once")


@dataclass
class ActiveHost:
    """A host at work.

    Attributes:
        since: When it started, by the monotonic clock.
        steps: Stage at work -> its step, which may be empty; several run side by side.
        last_stage: The stage that began last.
    """

    since: float
    steps: dict[str, str] = field(default_factory=dict)
    last_stage: str = field(default_factory=lambda: _("begin"))

    @property
    def stage(self) -> str:
        """The stages at work; between two of them, the one before."""
        return ", ".join(self.steps) or self.last_stage

    @property
    def step(self) -> str:
        """Their steps."""
        return ", ".join(filter(None, self.steps.values()))

    def apply(self, event: Event) -> None:
        """Note which stages are at work, and at what.

        Args:
            event: The next event of the host.
        """
        match event:
            case events.StageStarted():
                self.steps[event.stage], self.last_stage = "", event.stage
            case events.StepStarted():
                self.steps[event.stage] = event.title
            case events.StageDone():
                self.steps.pop(event.stage, None)
            case events.RollbackStarted():  # the stages before it have ended
                self.steps.clear()


def _describe_serving(event: events.ServingCounted) -> str:
    values = {"ready": event.ready, "total": event.of, "needed": event.needed}
    if not event.held:
        return _("endpoints: {ready} of {total} ready, {needed} needed", **values)
    return _(
        "endpoints: {ready} of {total} ready, {needed} needed, {host} waits",
        host=event.host,
        **values,
    )


class RolloutProgress:
    """The state of a rollout, from its events so far.

    Args:
        kind: Kind of the rollout.

    Attributes:
        total: Hosts of the fleet.
        planned: Hosts that need work.
        began: When the rollout began, by the monotonic clock.
        work_began: When the first host could start, or None.
        active_hosts: Hosts at work.
        failed: Host -> its status, for hosts that failed.
        rolled_back_hosts: Hosts that were rolled back.
        ended: Status -> hosts that ended with it.
        transfer_line: Progress of all transfers, or empty.
        serving_line: Endpoints that have to stay ready, and which host waits for them; or empty.
    """

    def __init__(self, kind: str = "rollout") -> None:
        self.changed_status = CHANGED_STATUSES.get(kind, "changed")
        self.total = self.planned = 0
        self.began = time.monotonic()
        self.work_began: float | None = None
        self.active_hosts: dict[str, ActiveHost] = {}
        self.failed: dict[str, str] = {}
        self.rolled_back_hosts: set[str] = set()
        self.ended: Counter[str] = Counter()
        self.transfer_line = ""
        self.serving_line = ""

    def update(self, event: Event) -> None:
        """Apply an event.

        Args:
            event: The next event of the rollout.
        """
        if active := self.active_hosts.get(event.host):
            active.apply(event)
        match event:
            case events.ProbingStarted():
                self.total = event.hosts
            case events.HostsScheduled():
                self.planned, self.work_began = len(event.order), time.monotonic()
            case events.HostStarted():
                self.active_hosts[event.host] = ActiveHost(time.monotonic())
            case events.TransfersProgressed():
                self.transfer_line = ""
                if event.hosts:
                    self.transfer_line = _(
                        "files to {count} hosts: {progress}",
                        count=event.hosts,
                        progress=event.line,
                    )
            case events.ServingCounted():
                self.serving_line = _describe_serving(event)
            case events.RollbackStarted():
                self.failed.pop(event.host, None)
            case events.HostFailed():
                is_deferred = event.code in DEFERRED_CODES
                self.failed[event.host] = "skipped" if is_deferred else "failed"
            case events.HostUnreachable():
                self.failed[event.host] = "unreachable"
            case events.HostRolledBack():
                self.rolled_back_hosts.add(event.host)
            case events.HostDone():
                self.active_hosts.pop(event.host, None)
                self.ended[self.status(event.host)] += 1

    def status(self, host: str) -> str:
        """Return the status of a host that ended, as the report calls it.

        Args:
            host: Name of the host.
        """
        changed = "rolled back" if host in self.rolled_back_hosts else self.changed_status
        return self.failed.get(host) or changed

    @property
    def done_count(self) -> int:
        """Hosts that ended."""
        return sum(self.ended.values())

    @property
    def is_large(self) -> bool:
        """Whether there are too many hosts for a line about each of their events."""
        return max(self.total, self.planned) > MAX_DETAILED_HOSTS

    def remaining_seconds(self) -> float | None:
        """Return the seconds until the last host ends, at the pace so far; None if unknown."""
        if not self.done_count or self.work_began is None:
            return None
        seconds_per_host = (time.monotonic() - self.work_began) / self.done_count
        return seconds_per_host * (self.planned - self.done_count)

    def summary_line(self) -> str:
        """Return the state of all hosts in a line."""
        return join_parts(text for _rank, text in self._list_parts())

    def live_line(self, room: int) -> str:
        """Return the state of all hosts and the time so far, as much of it as has room.

        What the rows of the table show goes first, the number of hosts that are done goes last.

        Args:
            room: Cells of the line.
        """
        elapsed = format_duration(round(time.monotonic() - self.began))
        parts = [*self._list_parts(), (3, _("{duration} so far", duration=elapsed))]
        while len(parts) > 1 and cell_len(join_parts(text for _rank, text in parts)) > room:
            parts.remove(max(parts, key=lambda part: part[0]))
        return join_parts(text for _rank, text in parts)

    def _list_parts(self) -> list[tuple[int, str]]:
        """Return the parts of a line, each with its rank: the highest one can be left out first."""
        parts = [(0, _("{count} of {total} done", count=self.done_count, total=self.planned))]
        for status, count in sorted(self.ended.items()):
            rank = 4 if status == self.changed_status else 1
            parts.append((rank, _("{count} {status}", count=count, status=_(status))))
        if self.active_hosts:
            parts.append((5, _("{count} at work", count=len(self.active_hosts))))
        remaining = self.remaining_seconds()
        if remaining is not None and self.done_count < self.planned:
            left = _("about {duration} left", duration=format_duration(round(remaining)))
            parts.append((2, left))
        return parts


def _make_table(rows: Sequence[tuple[str, str, str, str]], room: int) -> Table:
    """Return the table of hosts at work; of their steps, as much as there is room for."""
    titles = (_("host"), _("stage"), "", _("time"))
    widths = [
        max(least, *(cell_len(row[index]) for row in (titles, *rows)))
        for index, least in enumerate(MIN_WIDTHS)
    ]
    others = sum(widths) - widths[STEP_COLUMN] + len(widths) - 1
    widths[STEP_COLUMN] = min(widths[STEP_COLUMN], max(room - others, MIN_WIDTHS[STEP_COLUMN]))
    table = Table(box=None, pad_edge=False)
    for title, width in zip(titles, widths, strict=True):
        table.add_column(title, no_wrap=True, width=width, overflow="ellipsis")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


class LiveView:
    """Shows a rollout on standard error for as long as it lasts."""

    def __init__(self, bus: EventBus, kind: str = "rollout") -> None:
        """Prepare the view.

        Args:
            bus: Delivers the events of the rollout.
            kind: Kind of the rollout.
        """
        self.bus = bus
        self.progress = RolloutProgress(kind)
        self.console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._is_paused = False
        self._stack = ExitStack()
        self._failures_by_code: Counter[str] = Counter()
        self._next_done_line = 0

    def __enter__(self) -> LiveView:
        self._stack.enter_context(listening(self.bus, self.on_event))
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
            gevent.spawn(self._refresh)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self._live:
            live, self._live = self._live, None
            live.stop()

    def _refresh(self) -> None:
        while live := self._live:
            if not self._is_paused:
                live.update(self.render(), refresh=True)
            gevent.sleep(REFRESH_INTERVAL_S)

    def _pause(self, paused: bool) -> None:
        """Draw no live table while the operator is asked."""
        self._is_paused = paused
        if self._live and paused:
            self._live.stop()
        elif self._live:
            self._live.start()

    def render(self) -> RenderableType:
        """Return the live table: as many hosts at work as the terminal has lines for."""
        progress, now = self.progress, time.monotonic()
        stages = Counter(host.stage for host in progress.active_hosts.values())
        extra = [line for line in (progress.serving_line, progress.transfer_line) if line]
        frame = FRAME_LINES + len(extra)
        room = max(MIN_ROWS, self.console.height - frame)
        hosts = sorted(progress.active_hosts.items(), key=lambda item: item[1].since)
        rows = [
            (name, host.stage, host.step, format_duration(round(now - host.since)))
            for name, host in hosts[:room]
        ]
        counts = [f"{stage} {count}" for stage, count in stages.most_common()]
        while len(counts) > 1 and cell_len("  ".join(counts)) > self.console.width:
            counts.pop()
        lines: list[RenderableType] = [
            Text(progress.live_line(self.console.width)),
            Text("  ".join(counts)),
        ]
        lines += [Text(line) for line in extra]
        lines.append(_make_table(rows, self.console.width))
        if len(hosts) > room:
            lines.append(Text(_("… and {count} more", count=len(hosts) - room)))
        return Group(*lines)

    def on_event(self, event: Event) -> None:
        """Print what an event means for the operator.

        Args:
            event: The next event of the rollout.
        """
        progress, host = self.progress, event.host
        was_active = host in progress.active_hosts
        progress.update(event)
        match event:
            case events.ProbingStarted():
                self._print(n_("probing {count} host", "probing {count} hosts", event.hosts))
            case events.HostsScheduled():
                self._print_schedule(event)
            case events.HostStarted() if event.canary or not progress.is_large:
                begins = _("begins (canary)") if event.canary else _("begins")
                self._print(f"{host}: {begins}")
            case events.StageDone() if was_active and event.changes:
                if not (self._live or progress.is_large):
                    self._print(f"{host}: {event.stage} {event.seconds:.0f} s")
            case events.HostFailure():
                self._print_failure(event)
            case events.RollbackStarted():
                self._print(f"{host}: {_('rolling back')}", status_color("rolled back"))
            case events.HostDone():
                self._print_done(host)
            case events.TransfersProgressed() if progress.transfer_line and not self._live:
                self._print(progress.transfer_line)
            case events.RolloutPaused():
                self._print(_("the canaries passed; waiting {seconds} s", seconds=event.seconds))
            case events.OperatorAsked() | events.OperatorAnswered():
                self._pause(isinstance(event, events.OperatorAsked))
            case events.ServingCounted() if event.held or not event.host:
                self._print_serving(event)
            case events.ServingStopped():
                sentence = _("stopped to keep endpoints ready: {sentence}", sentence=event.sentence)
                self._print(sentence, "red")
                self._print(_("  remedy: {remedy}", remedy=event.remedy))
            case events.StopRequested():
                self._print(_(STOPPING_NOW if event.now else STOPPING))

    def _print_schedule(self, event: events.HostsScheduled) -> None:
        unchanged = event.total - len(event.order) - event.broken
        self._print(
            _(
                "{unchanged} of {total} hosts need nothing, {count} need work, {broken} are "
                "broken; {window} at a time, at most {max_fail} may be broken",
                unchanged=unchanged,
                total=event.total,
                count=len(event.order),
                broken=event.broken,
                window=event.window,
                max_fail=event.max_fail,
            )
        )
        if event.canaries:
            canaries = host_ranges.format_ranges(event.canaries)
            self._print(_("canaries: {hosts}", hosts=canaries))

    def _print_serving(self, event: events.ServingCounted) -> None:
        if not event.of:
            self._print(_("no endpoint is ready, so there is none to keep ready"))
            return
        line = self.progress.serving_line
        if event.silent:
            silent = host_ranges.format_ranges(event.silent)
            line = _("{line}; no answer from {hosts}", line=line, hosts=silent)
        self._print(line)

    def _print_done(self, host: str) -> None:
        progress = self.progress
        if progress.is_large and progress.done_count < min(self._next_done_line, progress.planned):
            return
        self._next_done_line = progress.done_count + max(1, progress.planned // MAX_DONE_LINES)
        status = progress.status(host)
        self._print(f"{host}: {_(status)} ({progress.summary_line()})", status_color(status))

    def _print_failure(self, event: events.HostFailure) -> None:
        """Print what failed and what to do; of many hosts, for the first ones of each code."""
        self._failures_by_code[event.code] += 1
        count = self._failures_by_code[event.code]
        is_large = self.progress.is_large
        if is_large and count > MAX_LINES_PER_CODE:
            return
        self._print(f"{event.host}: {event.code}: {event.sentence}", "red")
        remedy = _("  remedy: {remedy}", remedy=event.remedy)
        self._print(f"{event.host}: {remedy}")
        if is_large and count == MAX_LINES_PER_CODE:
            line = _("{code}: more such hosts are only counted until the end", code=event.code)
            self._print(line, "red")

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(escape(text), style=style, soft_wrap=True)
