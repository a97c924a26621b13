"""Decides which host may start next; it does nothing else, and waits for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence


class Scheduler:
    """A window over a fleet: when a host ends, the next one may start.

    Args:
        hosts: Hosts that need work, in their order.
        canaries: The ones of them that go first; the others wait until each has passed.
        window: Hosts at work at the same time.
        max_fail: Hosts of the whole fleet that may be broken.
        broken: Hosts that are broken before anything begins.
        groups: Host -> its group, for hosts that share something.
        share: Group -> its hosts at work at the same time.

    Attributes:
        waiting: Hosts that have not started, in their order.
        running: Hosts at work.
        canaries: Canaries that have not passed yet.
        stopped: Why no more hosts start: "canary", "budget", "serving", "interrupted",
            "declined", or empty.
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
        self.canaries = first & set(hosts)
        self.window, self.max_fail, self.broken = window, max_fail, broken
        self.groups, self.share = groups or {}, share or {}
        self.running: set[str] = set()
        self.stopped = ""
        self._check_budget()

    def _check_budget(self) -> None:
        if self.broken > self.max_fail:
            self.stop("budget")

    def stop(self, reason: str) -> None:
        """Start no more hosts; those at work continue.

        Args:
            reason: Why; the first reason stays.
        """
        self.stopped = self.stopped or reason

    def next_host(self, held: Collection[str] = ()) -> str | None:
        """Return a host that may start now, if there is one.

        Args:
            held: Hosts that are held back for another reason; others may go before them.
        """
        if self.stopped or len(self.running) >= self.window:
            return None
        busy = Counter(self.groups[host] for host in self.running if host in self.groups)
        for host in self.waiting:
            if host in held:
                continue
            if self.canaries and host not in self.canaries:
                return None  # canaries come first, so all of them have started
            group = self.groups.get(host)
            if group is None or busy[group] < self.share.get(group, self.window):
                return host
        return None

    def drop(self, host: str) -> None:
        """Take out a host that is not to start; the others need all of their canaries.

        Args:
            host: A host that waits.
        """
        self.waiting.remove(host)
        if host in self.canaries:
            self.stop("canary")

    def mark_started(self, host: str) -> None:
        """Note that a host started.

        Args:
            host: A host that waited.
        """
        self.waiting.remove(host)
        self.running.add(host)

    def mark_ended(self, host: str, *, passed: bool, broken: bool) -> None:
        """Note that a host ended.

        Args:
            host: A host at work.
            passed: It is in its desired state, which was verified.
            broken: It counts against the failure budget; one that is only busy does not.
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
        """Whether no host is at work and none will be."""
        return not self.running and (bool(self.stopped) or not self.waiting)
