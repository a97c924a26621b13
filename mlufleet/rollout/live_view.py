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

from fleet.errors import LEFT
from mlufleet.report import host_ranges
from mlufleet.report.terminal import MARKS
from operations.host import events

#: seconds between two pictures
BEAT = 0.5
#: hosts up to which each is told of; then lines for those that are done, and for one failure
MANY, STEPS, ALIKE = 50, 50, 3


class Seen:
    """What the events so far come to."""

    def __init__(self) -> None:
        self.total = self.planned = 0
        self.began = time.monotonic()
        self.worked: float | None = None
        #: host at work -> (since, stage, step)
        self.at_work: dict[str, tuple[float, str, str]] = {}
        #: host -> how the report calls it
        self.failed: dict[str, str] = {}
        self.returned: set[str] = set()
        self.ended: Counter[str] = Counter()
        #: of files that come to several hosts
        self.progress = ""

    def heard(self, host: str, kind: str, fields: dict[str, Any]) -> None:
        since, stage, _ = self.at_work.get(host, (time.monotonic(), "", ""))
        if kind == "survey":
            self.total = fields["hosts"]
        elif kind == "scheduled":
            self.planned = len(fields["order"])
            self.worked = time.monotonic()
        elif kind == "begin":
            self.at_work[host] = (time.monotonic(), "begin", "")
        elif kind == "stage" and host in self.at_work:
            self.at_work[host] = (since, fields["stage"], "")
        elif kind == "step" and host in self.at_work:
            self.at_work[host] = (since, stage, fields["title"])
        elif kind == "progress":
            hosts, line = fields["hosts"], fields["line"]
            self.progress = f"files to {hosts} hosts: {line}" if hosts else ""
        elif kind == "rolling-back":
            self.failed.pop(host, None)
        elif kind in ("failed", "unreachable"):
            left = fields["code"] in LEFT
            self.failed[host] = "skipped" if left and kind == "failed" else kind
        elif kind == "rolled-back":
            self.returned.add(host)
        elif kind == "done":
            self.at_work.pop(host, None)
            self.ended[self.status(host)] += 1

    def status(self, host: str) -> str:
        return self.failed.get(host) or ("rolled back" if host in self.returned else "changed")

    @property
    def done(self) -> int:
        return sum(self.ended.values())

    def left(self) -> float | None:
        """Seconds until the last host will have ended, at the pace so far."""
        if not self.done or self.worked is None:
            return None
        pace = (time.monotonic() - self.worked) / self.done
        return pace * (self.planned - self.done)

    def line(self) -> str:
        """All hosts in a line."""
        parts = [f"{self.done} of {self.planned} done"]
        parts += [f"{count} {status}" for status, count in sorted(self.ended.items())]
        if self.at_work:
            parts.append(f"{len(self.at_work)} at work")
        left = self.left()
        if left is not None and self.done < self.planned:
            parts.append(f"about {_span(left)} left")
        return ", ".join(parts)


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else (f"{minutes} min {seconds:.0f} s" if minutes else f"{seconds:.0f} s")
    )


class View:
    """Listens for as long as the rollout lasts."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.console = Console(stderr=True, highlight=False)
        self.live: Live | None = None
        #: code -> hosts that failed with it; of many hosts, hosts that the next line is told at
        self.told: Counter[str] = Counter()
        self.next = 0

    def __enter__(self) -> View:
        events.listeners.append(self._heard)
        if self.console.is_terminal:
            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            self.live.start()
            gevent.spawn(self._draw)
        return self

    def __exit__(self, *_: object) -> None:
        events.listeners.remove(self._heard)
        if self.live:
            live, self.live = self.live, None
            live.stop()

    def _draw(self) -> None:
        while live := self.live:
            live.update(self.picture(), refresh=True)
            gevent.sleep(BEAT)

    def picture(self) -> RenderableType:
        """Counts by stage, and as many hosts at work as the terminal has lines for."""
        seen, now = self.seen, time.monotonic()
        stages = Counter(stage for _, stage, _ in seen.at_work.values())
        by_stage = "  ".join(f"{stage} {count}" for stage, count in stages.most_common())
        table = Table(box=None, pad_edge=False)
        for column, least in (("host", 12), ("stage", 10), ("", 8), ("time", 6)):
            table.add_column(column, no_wrap=True, min_width=least)
        room = max(3, self.console.height - 6 - bool(seen.progress))
        longest = sorted(seen.at_work.items(), key=lambda item: item[1][0])
        for host, (since, stage, step) in longest[:room]:
            table.add_row(Text(host), stage, Text(step), _span(now - since))
        more = len(longest) - room
        lines: list[RenderableType] = [
            Text(f"{seen.line()}, {_span(now - seen.began)} so far"),
            Text(by_stage),
            *([Text(seen.progress)] if seen.progress else []),
            table,
        ]
        return Group(*lines, *([Text(f"… and {more} more")] if more > 0 else []))

    def _heard(self, host: str, kind: str, fields: dict[str, Any]) -> None:
        known = host in self.seen.at_work
        self.seen.heard(host, kind, fields)
        seen = self.seen
        if kind == "survey":
            self._say(f"looking at {fields['hosts']} hosts")
        elif kind == "scheduled":
            right = fields["total"] - len(fields["order"]) - fields["broken"]
            self._say(
                f"{right} of {fields['total']} hosts need nothing, {len(fields['order'])} need "
                f"work, {fields['broken']} are broken; {fields['window']} at once, at most "
                f"{fields['max_fail']} may be broken"
            )
            if fields["canaries"]:
                self._say(f"canaries: {host_ranges.ranges(fields['canaries'])}")
        elif kind == "begin" and (fields["canary"] or not self.many):
            self._say(f"{host}: begins{' (canary)' if fields['canary'] else ''}")
        elif kind == "stage-done" and known and fields["changes"] and not (self.live or self.many):
            self._say(f"{host}: {fields['stage']} {fields['seconds']:.0f} s")
        elif kind in ("failed", "unreachable"):
            self._failed(host, fields)
        elif kind == "rolling-back":
            self._say(f"{host}: goes back", "magenta")
        elif kind == "done":
            status = seen.status(host)
            if self.many and seen.done < min(self.next, seen.planned):
                return
            self.next = seen.done + max(1, seen.planned // STEPS)
            self._say(f"{host}: {status} ({seen.line()})", MARKS[status])
        elif kind == "progress" and seen.progress and not self.live:
            self._say(seen.progress)
        elif kind == "pause":
            self._say(f"the canaries passed; waiting {fields['seconds']} s")
        elif kind == "interrupted":
            end = "now" if fields["now"] else "when the hosts at work have ended; again: at once"
            self._say(f"stopping {end}")

    @property
    def many(self) -> bool:
        """So many hosts that not each of their steps is a line."""
        return max(self.seen.total, self.seen.planned) > MANY

    def _failed(self, host: str, fields: dict[str, Any]) -> None:
        """What failed and what to do; of many hosts, the first of each code."""
        code = fields["code"]
        self.told[code] += 1
        if self.many and self.told[code] > ALIKE:
            return
        self._say(f"{host}: {code}: {fields['sentence']}", "red")
        self._say(f"{host}:   remedy: {fields['remedy']}")
        if self.many and self.told[code] == ALIKE:
            self._say(f"{code}: more hosts that fail so are counted, and told at the end", "red")

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(escape(text), style=style, soft_wrap=True)
