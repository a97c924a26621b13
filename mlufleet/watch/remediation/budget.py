"""How much of what the site allows is left while decisions about a fleet are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fleet.language import _
from mlufleet.watch import decision as rungs
from mlufleet.watch.decision import Decision
from mlufleet.watch.problems import TrackedProblem
from mlufleet.watch.remediation.policy import TRY_WINDOW_S, Policy
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot

#: seconds without another run after one that could not begin
DEFER_S = 30 * 60


class Choice(NamedTuple):
    """What is to be done about a host.

    Attributes:
        rung: One of :data:`mlufleet.watch.decision.RUNGS`.
        reason: Why.
        hold: One of :data:`mlufleet.watch.decision.HOLDS` if nothing is done.
    """

    rung: str
    reason: str
    hold: str = ""

    def decide(self, host: HostSnapshot, found: Sequence[TrackedProblem], now: float) -> Decision:
        """Return the choice as a decision.

        Args:
            host: The host.
            found: Its open problems.
            now: The time, in seconds since the epoch.
        """
        keys = tuple(one.problem.key for one in found)
        return Decision(now, host.name, self.rung, self.reason, keys, hold=self.hold)


def hold(why: str, reason: str) -> Choice:
    """Return the choice to do nothing.

    Args:
        why: One of :data:`mlufleet.watch.decision.HOLDS`.
        reason: Why, for people.
    """
    return Choice(rungs.NONE, reason, why)


@dataclass
class Budget:
    """What is left of the budget; each host that is mended or taken out of service lowers it.

    Attributes:
        policy: What the site allows.
        now: The time, in seconds since the epoch.
        room: Hosts that may be mended besides those that are being mended.
        quarantined: Hosts in quarantine, whoever put them there.
        most: Hosts in quarantine beyond which there may be no other.
    """

    policy: Policy
    now: float
    room: int
    quarantined: int
    most: int

    @classmethod
    def begin(cls, snapshot: FleetSnapshot, policy: Policy, now: float, room: int) -> Budget:
        """Return the budget before any decision.

        Args:
            snapshot: The fleet.
            policy: What the site allows.
            now: The time, in seconds since the epoch.
            room: Hosts that may be mended besides those that are being mended.
        """
        quarantined = sum(host.quarantine is not None for host in snapshot.hosts.values())
        most = policy.count_quarantines(len(snapshot.hosts))
        return cls(policy, now, room, quarantined, most)

    def take(self, choice: Choice, past: Sequence[Decision]) -> Choice:
        """Return a choice, or that the budget does not allow it now; what is done lowers it.

        Args:
            choice: What is to be done about a host.
            past: What was done about it so far, oldest first.
        """
        if choice.rung in rungs.RUN_RUNGS:
            choice = self._find_limit(past) or choice
        elif choice.rung == rungs.QUARANTINE:
            choice = self._find_quarantine_limit(choice) or self._find_time_limit() or choice
        self.quarantined += choice.rung == rungs.QUARANTINE
        self.room -= choice.rung in rungs.RUN_RUNGS
        return choice

    def _find_limit(self, past: Sequence[Decision]) -> Choice | None:
        """Return what keeps a host from being mended now; None for nothing."""
        tries = [one for one in past if one.is_run and one.outcome != rungs.REFUSED]
        if sum(one.time > self.now - TRY_WINDOW_S for one in tries) >= self.policy.tries:
            reason = _("{tries} tries within 24 hours are used up", tries=self.policy.tries)
            return hold(rungs.HOLD_TRIES, reason)
        last = tries[-1] if tries else None
        if last and last.outcome == rungs.DEFERRED and self.now < (last.ended or 0) + DEFER_S:
            minutes = DEFER_S // 60
            reason = _(
                "its last run could not begin; the next one comes after {minutes} minutes",
                minutes=minutes,
            )
            return hold(rungs.HOLD_DEFERRED, reason)
        return self._find_time_limit()

    def _find_quarantine_limit(self, choice: Choice) -> Choice | None:
        """Return that no other host may be taken out of service, if that is so."""
        if self.quarantined < self.most:
            return None
        reason = _(
            "{reason}; {count} hosts are in quarantine, --quarantine-at-most {limit} allows no "
            "more: a person has to look",
            reason=choice.reason,
            count=self.quarantined,
            limit=self.policy.quarantine_at_most,
        )
        return hold(rungs.HOLD_QUARANTINES, reason)

    def _find_time_limit(self) -> Choice | None:
        """Return whether it is the wrong time, or others are being mended; None if neither."""
        hours, at_once = self.policy.hours, self.policy.at_once
        if hours and not hours.includes(self.now):
            return hold(rungs.HOLD_HOURS, _("not within the hours {hours}", hours=hours))
        if self.room <= 0:
            return hold(rungs.HOLD_AT_ONCE, _("{count} at once are being mended", count=at_once))
        return None
