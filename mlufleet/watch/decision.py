"""What the watch has decided to do about a host, as data: also the decision to do nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fleet.language import N_, _
from mlufleet.watch.clock import set_back

# values of `remediate` in an inventory
OFF, RESTART_ONLY, REPAIR_ALL = "off", "restart", "repair"

# rungs, from the one that disturbs least
#: nothing is done
NONE = N_("none")
#: a run that starts what is down: container and servers
RESTART = N_("restart")
#: a run of all stages that have something to do
REPAIR = N_("repair")
#: a reboot, and then a run
REBOOT = N_("reboot")
#: the host is taken out of service until a person puts it back; nothing is done to it
QUARANTINE = N_("quarantine")
RUNGS = (NONE, RESTART, REPAIR, REBOOT, QUARANTINE)
#: rungs that are a run
RUN_RUNGS = (RESTART, REPAIR, REBOOT)

# why nothing is done
#: the suggested action is a person's, or the last look could not probe the host
HOLD_ACTION, HOLD_UNPROBED = "action", "unprobed"
#: many hosts broke together
HOLD_STORM = "storm"
#: the rungs that are left did not help, or would not change anything, or are not allowed
HOLD_EXHAUSTED, HOLD_NO_STAGE, HOLD_NOT_ALLOWED = "exhausted", "no_stage", "not_allowed"
#: what the site allows is used up, or is for another time of day
HOLD_TRIES, HOLD_HOURS, HOLD_AT_ONCE = "tries", "hours", "at_once"
#: what is on disk is not what the watch has read
HOLD_CHANGED = "changed"
#: its last run could not begin, shortly before
HOLD_DEFERRED = "deferred"
#: it cannot be written down, or the file of quarantines is not valid
HOLD_STORE = "store"
#: it is in quarantine, or so many hosts are that no other may be
HOLD_QUARANTINED, HOLD_QUARANTINES = "quarantined", "quarantines"
HOLDS = (
    *(HOLD_ACTION, HOLD_UNPROBED, HOLD_STORM, HOLD_EXHAUSTED, HOLD_NO_STAGE, HOLD_NOT_ALLOWED),
    *(HOLD_TRIES, HOLD_HOURS, HOLD_AT_ONCE, HOLD_CHANGED, HOLD_DEFERRED, HOLD_STORE),
    *(HOLD_QUARANTINED, HOLD_QUARANTINES),
)

# how a run of a rung has ended
RUNNING, DONE, FAILED, LOST = N_("running"), N_("done"), N_("failed"), N_("lost")
#: it ended before the first connection: what is on disk is not what the watch has read
REFUSED = N_("refused")
#: it did not begin: others held the host's lock or its cards, or it could not be reached
DEFERRED = N_("deferred")

# what came of a quarantine, besides: RUNNING is before the mark, DONE after mark and hook,
# FAILED and LOST are the hook's
#: the mark is written, and the hook was begun
HOOK = "hook"
#: the mark could not be written
UNMARKED = "unmarked"


@dataclass(frozen=True)
class Decision:
    """A decision about a host and, if something was done, what came of it.

    Attributes:
        time: When it was made, in seconds since the epoch.
        host: Name of the host.
        rung: One of :data:`RUNGS`.
        reason: Why.
        problems: Keys of the open problems that it is about.
        number: Number in the watch's file; 0 before it is there.
        ended: When its run had ended; None while it runs, or without one.
        outcome: :data:`RUNNING`, :data:`DONE`, :data:`FAILED` (the run did not bring the host to
            its release), :data:`REFUSED` or :data:`DEFERRED` (nothing was done), or :data:`LOST`
            (the watch ended before the run, or with it); empty without a run. For a quarantine a
            key of :data:`QUARANTINE_OUTCOMES`.
        run: Id of the run; empty if it is not known.
        is_proved: Whether two looks after the run saw no problem; None before that is known.
        is_over: Whether no problem was open after it, so that the next one begins with the lowest
            rung again.
        looks: Looks that began after the run. Not kept in the file.
        misses: How many of the last of these in a row saw an open problem. Not kept either.
        hold: One of :data:`HOLDS` if nothing is done. Not kept either: `reason` says it.
    """

    time: float
    host: str
    rung: str
    reason: str
    problems: tuple[str, ...] = ()
    number: int = 0
    ended: float | None = None
    outcome: str = ""
    run: str = ""
    is_proved: bool | None = None
    is_over: bool = False
    looks: int = 0
    misses: int = 0
    hold: str = ""

    def set_back(self, now: float, by: float = 0.0) -> Decision:
        """Return it without times in the future, which are those of a clock that was wrong.

        Args:
            now: The time by the clock as it is.
            by: How far it was ahead, if that is known.
        """
        ended = None if self.ended is None else set_back(self.ended, now, by)
        return replace(self, time=set_back(self.time, now, by), ended=ended)

    @property
    def is_run(self) -> bool:
        """Whether it is about a run on the host."""
        return self.rung in RUN_RUNGS

    @property
    def is_attempt(self) -> bool:
        """Whether it is about a run that may have done something on the host."""
        return self.is_run and self.outcome not in (REFUSED, DEFERRED)

    @property
    def is_settled(self) -> bool:
        """Whether it is known what came of it."""
        return not self.is_attempt or self.is_proved is not None


#: outcome of a quarantine -> what it means
QUARANTINE_OUTCOMES = {
    RUNNING: N_("begun"),
    HOOK: N_("marked, the hook runs"),
    DONE: N_("marked"),
    FAILED: N_("marked, the hook failed"),
    LOST: N_("marked, what came of the hook is not known"),
    UNMARKED: N_("the mark could not be written"),
}


def describe_outcome(decision: Decision) -> str:
    """Return in a few words what came of a run or a quarantine.

    Args:
        decision: A decision to do something.
    """
    if decision.rung == QUARANTINE:
        return _(QUARANTINE_OUTCOMES.get(decision.outcome, decision.outcome))
    outcome = _(decision.outcome)
    if decision.is_run and not decision.is_attempt:
        return _("{outcome}, nothing was done", outcome=outcome)
    if decision.is_proved is None:
        is_running = decision.ended is None
        return outcome if is_running else _("{outcome}, not proved yet", outcome=outcome)
    if decision.is_proved:
        return _("{outcome}, two looks found it right", outcome=outcome)
    return _("{outcome}, it did not help", outcome=outcome)
