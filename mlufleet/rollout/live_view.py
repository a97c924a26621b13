"""What an operator sees of a rollout: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import gevent
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fleet.errors import DEFERRED_CODES
from mlufleet.report import host_ranges
from mlufleet.report.terminal import STATUS_STYLES
from operations.host import events

#: seconds between two pictures
REFRESH_INTERVAL_S = 0.5
#: hosts up to which each is told of; then lines for those that are done, and for one failure
MANY, STEPS, ALIKE = 50, 50, 3


class RolloutProgress:
    """What the events so far come to."""

    def __init__(self) -> None:
        self.total = self.planned = 0
        self.began = time.monotonic()
        self.work_began: float | None = None
        #: host at work -> (since, stage, step)
        self.active_hosts: dict[str, tuple[float, str, str]] = {}
        #: host -> how the report calls it
        self.failed: dict[str, str] = {}
        self.rolled_back_hosts: set[str] = set()
        self.ended: Counter[str] = Counter()
        #: of files that come to several hosts
        self.transfer_line = ""

    def update(self, host: str, kind: str, fields: dict[str, Any]) -> None:
        since, stage, _ = self.active_hosts.get(host, (time.monotonic(), "", ""))
        if kind == "survey":
            self.total = fields["hosts"]
        elif kind == "scheduled":
            self.planned = len(fields["order"])
            self.work_began = time.monotonic()
        elif kind == "begin":
            self.active_hosts[host] = (time.monotonic(), "begin", "")
        elif kind == "stage" and host in self.active_hosts:
            self.active_hosts[host] = (since, fields["stage"], "")
        elif kind == "step" and host in self.active_hosts:
            self.active_hosts[host] = (since, stage, fields["title"])
        elif kind == "progress":
            hosts, line = fields["hosts"], fields["line"]
            self.transfer_line = f"files to {hosts} hosts: {line}" if hosts else ""
        elif kind == "rolling-back":
            self.failed.pop(host, None)
        elif kind in ("failed", "unreachable"):
            left = fields["code"] in DEFERRED_CODES
            self.failed[host] = "skipped" if left and kind == "failed" else kind
        elif kind == "rolled-back":
            self.rolled_back_hosts.add(host)
        elif kind == "done":
            self.active_hosts.pop(host, None)
            self.ended[self.status(host)] += 1

    def status(self, host: str) -> str:
        return self.failed.get(host) or (
            "rolled back" if host in self.rolled_back_hosts else "changed"
        )

    @property
    def done_count(self) -> int:
        return sum(self.ended.values())

    def remaining_seconds(self) -> float | None:
        """Seconds until the last host will have ended, at the pace so far."""
        if not self.done_count or self.work_began is None:
            return None
        pace = (time.monotonic() - self.work_began) / self.done_count
        return pace * (self.planned - self.done_count)

    def summary_line(self) -> str:
        """All hosts in a line."""
        parts = [f"{self.done_count} of {self.planned} done"]
        parts += [f"{count} {status}" for status, count in sorted(self.ended.items())]
        if self.active_hosts:
            parts.append(f"{len(self.active_hosts)} at work")
        left = self.remaining_seconds()
        if left is not None and self.done_count < self.planned:
            parts.append(f"about {_format_duration(left)} left")
        return ", ".join(parts)


def _format_duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else (f"{minutes} min {seconds:.0f} s" if minutes else f"{seconds:.0f} s")
    )


class LiveView:
    """Listens for as long as the rollout lasts."""

    def __init__(self) -> None:
        self.progress = RolloutProgress()
        self.console = Console(stderr=True, highlight=False)
        self.live: Live | None = None
        #: code -> hosts that failed with it; of many hosts, hosts that the next line is told at
        self.failures_by_code: Counter[str] = Counter()
        self.next_report = 0

    def __enter__(self) -> LiveView:
        events.listeners.append(self._on_event)
        if self.console.is_terminal:
            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            self.live.start()
            gevent.spawn(self._draw)
        return self

    def __exit__(self, *_: object) -> None:
        events.listeners.remove(self._on_event)
        if self.live:
            live, self.live = self.live, None
            live.stop()

    def _draw(self) -> None:
        while live := self.live:
            live.update(self.render(), refresh=True)
            gevent.sleep(REFRESH_INTERVAL_S)

    def render(self) -> RenderableType:
        """Counts by stage, and as many hosts at work as the terminal has lines for."""
        seen, now = self.progress, time.monotonic()
        stages = Counter(stage for _, stage, _ in seen.active_hosts.values())
        by_stage = "  ".join(f"{stage} {count}" for stage, count in stages.most_common())
        table = Table(box=None, pad_edge=False)
        for column, least in (("host", 12), ("stage", 10), ("", 8), ("time", 6)):
            table.add_column(column, no_wrap=True, min_width=least)
        room = max(3, self.console.height - 6 - bool(seen.transfer_line))
        longest = sorted(seen.active_hosts.items(), key=lambda item: item[1][0])
        for host, (since, stage, step) in longest[:room]:
            table.add_row(Text(host), stage, Text(step), _format_duration(now - since))
        more = len(longest) - room
        lines: list[RenderableType] = [
            Text(f"{seen.summary_line()}, {_format_duration(now - seen.began)} so far"),
            Text(by_stage),
            *([Text(seen.transfer_line)] if seen.transfer_line else []),
            table,
        ]
        return Group(*lines, *([Text(f"… and {more} more")] if more > 0 else []))

    def _on_event(self, host: str, kind: str, fields: dict[str, Any]) -> None:
        known = host in self.progress.active_hosts
        self.progress.update(host, kind, fields)
        seen = self.progress
        if kind == "survey":
            self._print_line(f"looking at {fields['hosts']} hosts")
        elif kind == "scheduled":
            right = fields["total"] - len(fields["order"]) - fields["broken"]
            self._print_line(
                f"{right} of {fields['total']} hosts need nothing, {len(fields['order'])} need "
                f"work, {fields['broken']} are broken; {fields['window']} at once, at most "
                f"{fields['max_fail']} may be broken"
            )
            if fields["canaries"]:
                self._print_line(f"canaries: {host_ranges.format_ranges(fields['canaries'])}")
        elif kind == "begin" and (fields["canary"] or not self.is_large):
            self._print_line(f"{host}: begins{' (canary)' if fields['canary'] else ''}")
        elif (
            kind == "stage-done"
            and known
            and fields["changes"]
            and not (self.live or self.is_large)
        ):
            self._print_line(f"{host}: {fields['stage']} {fields['seconds']:.0f} s")
        elif kind in ("failed", "unreachable"):
            self._print_failure(host, fields)
        elif kind == "rolling-back":
            self._print_line(f"{host}: goes back", "magenta")
        elif kind == "done":
            status = seen.status(host)
            if self.is_large and seen.done_count < min(self.next_report, seen.planned):
                return
            self.next_report = seen.done_count + max(1, seen.planned // STEPS)
            self._print_line(f"{host}: {status} ({seen.summary_line()})", STATUS_STYLES[status])
        elif kind == "progress" and seen.transfer_line and not self.live:
            self._print_line(seen.transfer_line)
        elif kind == "pause":
            self._print_line(f"the canaries passed; waiting {fields['seconds']} s")
        elif kind == "interrupted":
            end = "now" if fields["now"] else "when the hosts at work have ended; again: at once"
            self._print_line(f"stopping {end}")

    @property
    def is_large(self) -> bool:
        """So many hosts that not each of their steps is a line."""
        return max(self.progress.total, self.progress.planned) > MANY

    def _print_failure(self, host: str, fields: dict[str, Any]) -> None:
        """What failed and what to do; of many hosts, the first of each code."""
        code = fields["code"]
        self.failures_by_code[code] += 1
        if self.is_large and self.failures_by_code[code] > ALIKE:
            return
        self._print_line(f"{host}: {code}: {fields['sentence']}", "red")
        self._print_line(f"{host}:   remedy: {fields['remedy']}")
        if self.is_large and self.failures_by_code[code] == ALIKE:
            self._print_line(
                f"{code}: more hosts that fail so are counted, and told at the end", "red"
            )

    def _print_line(self, text: str, style: str = "") -> None:
        self.console.print(escape(text), style=style, soft_wrap=True)
