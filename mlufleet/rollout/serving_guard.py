"""Decides whether a host may be taken while enough endpoints stay ready; it looks at nothing.

Only endpoints that were ready when the rollout began count: a host never counts for more than it
had then. A host at work counts for nothing, whatever it still answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fleet.language import _
from mlufleet.rollout.host_count import HostCount
from operations.host.facts import HostFacts

#: states of an endpoint that nobody leaves without a new definition or a new container
FINAL_STATES = ("failed", "stopped")


@dataclass(frozen=True)
class HostServing:
    """What a look at a host found of its endpoints.

    Attributes:
        ready: How many are ready.
        final: How many have ended for good, as far as the host itself goes.
        has_answered: Whether the host could be looked at; if not, nothing of it counts as ready.
    """

    ready: int = 0
    final: int = 0
    has_answered: bool = True


#: what is assumed of a host that could not be looked at
UNKNOWN_SERVING = HostServing(has_answered=False)


def count_endpoints(facts: HostFacts) -> HostServing:
    """Count the endpoints of all releases of a host, also of those that it is to have no more.

    Args:
        facts: What a probe of the host found.
    """
    endpoints = [one for release in facts.releases.values() for one in release.endpoints.values()]
    endpoints += facts.former_endpoints.values()
    return HostServing(
        # whether it listens is known of the ports of the release that comes only
        ready=sum(one.state == "ready" for one in endpoints),
        final=sum(one.state in FINAL_STATES for one in endpoints),
    )


@dataclass(frozen=True)
class Refusal:
    """Why so many endpoints can never stay ready.

    Attributes:
        sentence: What is wrong, with the numbers.
        remedy: What to do about it.
    """

    sentence: str
    remedy: str


class ServingGuard:
    """Keeps a share of the endpoints of a fleet ready while its hosts are worked on.

    Args:
        before: Host -> endpoints that were ready when the rollout began.
        share: How many of them have to stay ready; a percentage is rounded up.

    Attributes:
        before: The same, without hosts that had none.
        total: How many endpoints were ready.
        needed: How many of them have to stay ready.
        seen: Host -> what the last look found.
    """

    def __init__(self, before: Mapping[str, int], share: HostCount) -> None:
        self.before = {host: count for host, count in before.items() if count}
        self.share = share
        self.total = sum(self.before.values())
        self.needed = share.resolve_up(self.total)
        self.seen: dict[str, HostServing] = {}

    def refuse(self, pending: Collection[str]) -> Refusal | None:
        """Return why some of the hosts can never be taken, even if all endpoints are ready.

        Args:
            pending: Hosts that need work.
        """
        host = max(pending, key=lambda name: self.before.get(name, 0), default="")
        largest = self.before.get(host, 0)
        most = self.total - largest
        if not largest or self.needed <= most:
            return None
        values = {"share": self.share, "total": self.total, "host": host, "count": largest}
        if self.share.is_percentage:
            most = 100 * most // self.total
            sentence = _(
                "{share} of {total} ready endpoints are {needed}, and {host} has {count} of them: "
                "it could never be taken",
                needed=self.needed,
                **values,
            )
        else:
            sentence = _(
                "{share} of {total} ready endpoints, and {host} has {count} of them: it could "
                "never be taken",
                **values,
            )
        if not most:
            remedy = _("leave --keep-serving out, or make endpoints of other hosts ready first")
        else:
            unit = "%" * self.share.is_percentage
            remedy = _(
                "use --keep-serving {most}{unit}, or make more endpoints ready first",
                most=most,
                unit=unit,
            )
        return Refusal(sentence, remedy)

    def observe(self, found: Mapping[str, HostServing]) -> None:
        """Keep what a look found; it replaces what the look before it found.

        Args:
            found: Host -> its endpoints, for the hosts that were looked at.
        """
        self.seen = dict(found)

    def count_ready(self, at_work: Collection[str]) -> int:
        """Return how many endpoints are ready and stay so, by the last look.

        Args:
            at_work: Hosts whose endpoints do not count.
        """
        hosts = self.before.keys() - set(at_work)
        return sum(min(self._last(host).ready, self.before[host]) for host in hosts)

    def may_take(self, host: str, at_work: Collection[str]) -> bool:
        """Return whether a host may be taken after the last look.

        A host that is known to have no ready endpoint takes none away.

        Args:
            host: A host that waits.
            at_work: Hosts that are worked on already.
        """
        last = self._last(host)
        if host not in self.before or (last.has_answered and not last.ready):
            return True
        return self.count_ready({*at_work, host}) >= self.needed

    def may_recover(self, host: str, failed: Collection[str]) -> bool:
        """Return whether a host could be taken later although no host is at work.

        Args:
            host: A host that waits, and may not be taken now.
            failed: Hosts that this rollout has worked on without success, and leaves alone.
        """
        others = self.before.keys() - {host}
        return sum(self._potential(name, name in failed) for name in others) >= self.needed

    def _potential(self, host: str, has_failed: bool) -> int:
        """Return how many endpoints of a host are ready or may become so by themselves."""
        last, count = self._last(host), self.before[host]
        if not last.has_answered:
            return count
        if has_failed:
            return min(last.ready, count)
        return max(min(last.ready, count), count - last.final)

    def _last(self, host: str) -> HostServing:
        return self.seen.get(host, UNKNOWN_SERVING)
