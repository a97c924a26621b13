"""Looks at the endpoints of a fleet before a host is taken, so that enough of them stay ready."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

import gevent
from gevent.event import Event
from gevent.pool import Pool
from pyinfra.api import Host

from fleet.errors import Failure
from fleet.language import _
from fleet.release.target import HostTarget
from mlufleet.rollout.host_count import HostCount
from mlufleet.rollout.plan import Plan
from mlufleet.rollout.serving_guard import (
    HostServing,
    Refusal,
    ServingGuard,
    count_endpoints,
)
from mlufleet.rollout.session import Session
from operations.host.facts import HostFacts
from operations.host.probe import ProbeCache

#: hosts that are looked at at the same time
LOOK_CONCURRENCY = 100
#: seconds that a look may take; hosts that have not answered by then count as not ready
LOOK_TIMEOUT_S = 60
#: seconds for which one look is good for several hosts that start together
LOOK_LIFETIME_S = 5
#: seconds between two looks while a host waits
LOOK_INTERVAL_S = 5
#: seconds beyond the time in which a server has to be ready, for a host that boots
RECOVERY_MARGIN_S = 300


class ServingWatch:
    """Holds hosts back that would leave too few endpoints ready.

    Args:
        session: The hosts, and the run.
        plan: The options of the rollout.
        stopping: Is set when no more hosts are to start.
        before: Host -> endpoints that were ready when the rollout began that this one resumes.
    """

    def __init__(
        self, session: Session, plan: Plan, stopping: Event, before: Mapping[str, int]
    ) -> None:
        self.session, self.stopping = session, stopping
        self.share = HostCount.parse(plan.keep_serving)
        # a host that is left out serves nothing as far as this rollout goes
        counted = {host.name for host in session.hosts}
        self._before = {name: count for name, count in before.items() if name in counted}
        self._targets: dict[str, HostTarget] = {}
        self._found: dict[str, HostServing] = {}
        self._guard = ServingGuard({}, self.share)
        self._looked_at: set[str] = set()
        self._look_ended = 0.0
        self._idle_since: float | None = None
        self._last_told: tuple[object, ...] = ()

    def on_probe(self, host: Host, target: HostTarget, facts: HostFacts) -> None:
        """Count the ready endpoints of a host before the rollout begins.

        Args:
            host: The host.
            target: What its probe was asked about.
            facts: What the probe found.
        """
        found = count_endpoints(facts)
        known = self._found.get(host.name)
        # a rollback is probed for two releases; the one counts whose endpoints are there
        if known is None or found.ready >= known.ready:
            self._found[host.name], self._targets[host.name] = found, target

    def begin(self, pending: Collection[str]) -> bool:
        """Fix what has to stay ready: what the probes of all hosts have found.

        Args:
            pending: Hosts that need work.

        Returns:
            Whether each of these hosts can be taken at some time.
        """
        if not self.share.value:
            return True
        listeners = self.session.run.context.service(ProbeCache).listeners
        listeners.remove(self.on_probe)
        names = self._found.keys() | self._before.keys()
        before = {
            name: max(self._before.get(name, 0), self._last_found(name).ready)
            for name in sorted(names)
        }
        self._guard = guard = ServingGuard(before, self.share)
        guard.observe(self._found)
        self._look_ended = time.time()
        self._tell("", before=guard.before)
        refusal = guard.refuse(pending)
        return refusal is None or self._refuse(refusal)

    def listen(self) -> None:
        """Count what probes find from now on, until the rollout begins."""
        if self.share.value:
            self.session.run.context.service(ProbeCache).listeners.append(self.on_probe)

    def _last_found(self, name: str) -> HostServing:
        return self._found.get(name, HostServing())

    def may_start(self, name: str, at_work: Collection[str]) -> bool:
        """Return whether a host may be taken; before that, the others are looked at again.

        Args:
            name: A host that waits.
            at_work: Hosts that are worked on.
        """
        guard = self._guard
        if name not in guard.before:
            return True
        counted = guard.before.keys() - set(at_work)
        is_fresh = time.time() - self._look_ended < LOOK_LIFETIME_S
        if not (is_fresh and counted <= self._looked_at):
            self._look(counted)
        is_allowed = guard.may_take(name, at_work)
        self._tell(name, at_work=at_work, held=not is_allowed)
        if is_allowed:
            self._idle_since = None
        return is_allowed

    def give_up(self, held: Collection[str], at_work: Collection[str]) -> bool:
        """Return whether waiting makes no sense any more, and say why.

        Args:
            held: Hosts that may not be taken now.
            at_work: Hosts that are worked on; while there are any, others wait for them.
        """
        if not held or at_work:
            self._idle_since = None
            return False
        self._idle_since = self._idle_since or time.monotonic()
        failed = self.session.run.failures.keys()
        can_recover = any(self._guard.may_recover(name, failed) for name in held)
        waited_s = time.monotonic() - self._idle_since
        if can_recover and waited_s < self._recovery_limit_s():
            return False
        guard = self._guard
        self._refuse(
            Refusal(
                _(
                    "{ready} of {total} endpoints are ready, and {needed} have to "
                    "stay ready ({share}) while {host} is taken",
                    ready=guard.count_ready(()),
                    total=guard.total,
                    needed=guard.needed,
                    share=self.share,
                    host=min(held),
                ),
                _(
                    "look at the endpoints that are not ready with `mlufleet endpoints`; "
                    "when they are, `mlufleet rollout resume` goes on"
                ),
            )
        )
        return True

    def _recovery_limit_s(self) -> int:
        """Return the seconds in which an endpoint that was ready has to be ready again."""
        serves = [
            release.release.serve
            for target in self._targets.values()
            for release in target.releases
        ]
        return RECOVERY_MARGIN_S + max((one.load_timeout for one in serves if one), default=0)

    # looks

    def _look(self, names: Collection[str]) -> None:
        """Look at hosts at the same time, over connections of their own."""
        found: dict[str, HostServing] = {}
        hosts = [host for host in self.session.hosts if host.name in names]
        pool = Pool(LOOK_CONCURRENCY)

        def look_at(host: Host) -> None:
            target = self._targets.get(host.name)
            facts = self.session.look(host, target)
            if not isinstance(facts, Failure):
                found[host.name] = count_endpoints(facts)

        everyone = gevent.spawn(pool.map, look_at, hosts)
        gevent.wait([everyone, self.stopping], timeout=LOOK_TIMEOUT_S, count=1)
        everyone.kill()
        pool.kill()
        self._guard.observe(found)
        self._looked_at, self._look_ended = set(names), time.time()

    def _tell(
        self,
        name: str,
        *,
        at_work: Collection[str] = (),
        held: bool = False,
        before: Mapping[str, int] | None = None,
    ) -> None:
        """Record a count, but of hosts that wait for the same numbers only that of the first."""
        guard = self._guard
        silent = sorted(self._looked_at - guard.seen.keys())
        ready = guard.count_ready(at_work)
        told = (held, ready, *silent)
        if held and told == self._last_told:
            return
        self._last_told = told
        self.session.run.context.events.emit(
            name,
            "serving-counted",
            ready=ready,
            needed=guard.needed,
            of=guard.total,
            seen=round(self._look_ended, 3),
            held=held,
            silent=silent,
            before=dict(before or {}),
        )

    def _refuse(self, refusal: Refusal) -> bool:
        self.session.run.context.events.emit(
            "", "serving-stopped", sentence=refusal.sentence, remedy=refusal.remedy
        )
        return False
