"""What is wrong with a host, and what is known of it over time, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleet.error_codes import FAILURE_TABLE, IGNORE, INSPECT, RESTART, FailureInfo
from fleet.language import N_, _

#: code of a problem that is no failure: a stage would change something
DRIFT = "DRIFT"
DRIFT_REMEDY = N_("`mlufleet deploy` brings it to its release.")
#: code of an event that is no problem: the host has booted, and no run rebooted it
REBOOTED = "REBOOTED"
#: code of another event: the health of a host is another one, which is the subject
HEALTH = "HEALTH"
#: stands between the two healths in what is kept of that event
HEALTH_INFIX = ", was "
#: code of two other events: the host was taken out of service, or put back
QUARANTINED = "QUARANTINED"
QUARANTINE_REMEDY = N_("Mend it, then put it back with `mlufleet host unquarantine`.")
#: kinds of these changes
TAKEN_OUT, RELEASED = N_("quarantined"), N_("released")

#: kind of a change that is history and is told to nobody: it appeared again while it is flapping
RECURRED = N_("recurred")
#: kind of what one look alone has seen, of a watch that looks once
SEEN_ONCE = "seen"
#: what is to be said of codes that are no failure's
OWN_CODES = {
    DRIFT: FailureInfo(N_("a stage of the host is not as the release says"), DRIFT_REMEDY, RESTART),
    REBOOTED: FailureInfo(
        N_("the host has booted, and no run rebooted it"),
        N_("Find out why in its system journal of before (`journalctl --boot -1`)."),
        INSPECT,
    ),
    HEALTH: FailureInfo(
        N_("the health of the host is another one than before"),
        N_("Nothing is to be done about that."),
        IGNORE,
    ),
    QUARANTINED: FailureInfo(
        N_("the host was taken out of service, or put back"), QUARANTINE_REMEDY, INSPECT
    ),
}

#: no look has shown it yet
UNKNOWN = N_("unknown")
#: no open problem
OK = N_("ok")
#: open problems that leave it answering
DEGRADED = N_("degraded")
BROKEN = N_("broken")
#: it cannot be looked at
UNREACHABLE = N_("unreachable")
#: a run works on it
BUSY = N_("busy")
HEALTHS = (OK, DEGRADED, BROKEN, UNREACHABLE, BUSY, UNKNOWN)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a host, as one look saw it.

    Attributes:
        code: Failure code of fleet/error_codes.py, or :data:`DRIFT`.
        subject: What it is about within the host: address of a card, label of an endpoint
            ("release/0"), label of a stage; empty for the host as a whole. Code and subject
            together tell two problems of a host apart.
        sentence: What is wrong.
        remedy: What to do about it.
    """

    code: str
    subject: str = ""
    sentence: str = ""
    remedy: str = ""

    @property
    def key(self) -> str:
        """What the problem is known by, on its host."""
        return f"{self.code} {self.subject}".rstrip()

    @property
    def action(self) -> str:
        """What is suggested to do about it: a key of :data:`fleet.error_codes.ACTIONS`."""
        if self.code in FAILURE_TABLE:
            return FAILURE_TABLE[self.code].action
        return OWN_CODES[self.code].action if self.code in OWN_CODES else INSPECT


@dataclass(frozen=True)
class TrackedProblem:
    """A problem of a host over several looks. Times are of looks, in seconds since the epoch.

    One that is neither open nor there is kept for as long as its appearances count.

    Attributes:
        problem: As the last look saw it that saw it.
        first_seen: When it was first seen.
        last_seen: When it was last seen.
        opened: When a second look in a row had confirmed it; None if it is not open.
        missed: Looks in a row that did not see it, 2 for more; an open problem is resolved by the
            second.
        flaps: Times of its latest appearances, oldest first.
        is_flapping: Whether it came and went so often that it is told no more; it counts as open.
    """

    problem: Problem
    first_seen: float
    last_seen: float
    opened: float | None = None
    missed: int = 0
    flaps: tuple[float, ...] = ()
    is_flapping: bool = False


@dataclass(frozen=True)
class HostState:
    """What is known of a host after all looks at it so far.

    Attributes:
        problems: :attr:`Problem.key` -> the problem; open ones, those that one look has seen, and
            those that are gone and may be flapping. Reboots are among them, and never open.
        boot_id: Of the last look that probed it; empty before that.
        last_look: When the last look ended, whatever it saw; None before the first.
        last_probed: When the last look ended that probed it; None if none has.
        health: One of :data:`HEALTHS`.
        since: Since when `health` is that.
        quarantine: Why it is out of service, as was told last; empty if it is in service.
        quarantined: Since when it is out of service; None if it is in service.
    """

    problems: dict[str, TrackedProblem] = field(default_factory=dict)
    boot_id: str = ""
    last_look: float | None = None
    last_probed: float | None = None
    health: str = UNKNOWN
    since: float | None = None
    quarantine: str = ""
    quarantined: float | None = None

    @property
    def open_problems(self) -> list[TrackedProblem]:
        """Problems that two looks in a row have seen, oldest first."""
        found = (one for one in self.problems.values() if one.opened is not None)
        return sorted(found, key=lambda one: one.opened or 0)


@dataclass(frozen=True)
class Change:
    """Something that changed on a host between two looks; a line of its history.

    Attributes:
        time: When the look ended that saw it.
        host: Name of the host.
        kind: "opened", "resolved", "flapping", :data:`RECURRED`, "rebooted", :data:`TAKEN_OUT`,
            :data:`RELEASED` or "health".
        problem: The problem; for the last four, code and sentence say what happened.
        since: When the problem was first seen, or since when the earlier health was that.
        run: Run that worked on the host since the look before, if one did; or empty.
    """

    time: float
    host: str
    kind: str
    problem: Problem
    since: float
    run: str = ""

    @property
    def sentence(self) -> str:
        """What happened, as people read it."""
        return describe_health(self.problem) if self.kind == "health" else self.problem.sentence


def note_health(health: str, before: str) -> Problem:
    """Return that the health of a host is another one; its sentence is in English for programs.

    Args:
        health: What it is.
        before: What it was.
    """
    return Problem(HEALTH, health, f"{health}{HEALTH_INFIX}{before}")


def earlier_health(problem: Problem) -> str:
    """Return what the health was before.

    Args:
        problem: What :func:`note_health` made.
    """
    return problem.sentence.rpartition(HEALTH_INFIX)[2]


def describe_health(problem: Problem) -> str:
    """Return in words that the health of a host is another one.

    Args:
        problem: What :func:`note_health` made.
    """
    before = earlier_health(problem)
    return _("{health}, was {before}", health=_(problem.subject), before=_(before))
