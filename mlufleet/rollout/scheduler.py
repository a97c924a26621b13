"""Who may start next: pure, told what started and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


class Scheduler:
    """A sliding window over a fleet: when one host ends the next may start.

    :param hosts: those that need work, in their order
    :param canaries: the ones of them that go first; the rest waits for the proof of each
    :param window: hosts at work at once
    :param max_fail: hosts of the whole fleet that may be broken
    :param broken: hosts that were so before anything began
    :param groups: host -> its group, for hosts that share something
    :param share: group -> hosts of it at work at once
    """

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        canaries: Sequence[str] = (),
        window: int = 1,
        max_fail: int = 0,
        broken: int = 0,
        groups: Mapping[str, str] | None = None,
        share: Mapping[str, int] | None = None,
    ) -> None:
        first = set(canaries)
        self.waiting = [*(h for h in hosts if h in first), *(h for h in hosts if h not in first)]
        #: canaries that have not passed yet
        self.canaries = first & set(hosts)
        self.window, self.max_fail, self.broken = window, max_fail, broken
        self.groups, self.share = groups or {}, share or {}
        self.running: set[str] = set()
        #: why no host starts any more: "canary", "budget", "interrupted", "declined"
        self.stopped = ""
        self._check_budget()

    def _check_budget(self) -> None:
        if self.broken > self.max_fail:
            self.stop("budget")

    def stop(self, why: str) -> None:
        """No host starts from now on; what runs goes on. The first reason stays."""
        self.stopped = self.stopped or why

    def next_host(self) -> str | None:
        """A host that may start now."""
        if self.stopped or len(self.running) >= self.window:
            return None
        busy = Counter(self.groups[host] for host in self.running if host in self.groups)
        for host in self.waiting:
            if self.canaries and host not in self.canaries:
                return None  # canaries come first, so there is none left to start
            group = self.groups.get(host)
            if group is None or busy[group] < self.share.get(group, self.window):
                return host
        return None

    def mark_started(self, host: str) -> None:
        self.waiting.remove(host)
        self.running.add(host)

    def mark_ended(self, host: str, *, passed: bool, broken: bool) -> None:
        """A host's end.

        :param passed: it is as wanted, and has proved it
        :param broken: it counts against the budget (a host that is only busy does not)
        """
        self.running.remove(host)
        if host in self.canaries:
            if passed:
                self.canaries.remove(host)
            else:
                self.stop("canary")
        self.broken += broken
        self._check_budget()

    @property
    def is_done(self) -> bool:
        """Whether nothing runs and nothing will."""
        return not self.running and (bool(self.stopped) or not self.waiting)
