"""How a problem comes, stays and goes from look to look: pure functions on one problem.

A problem is opened by the second look in a row that sees it, and resolved by the second in a row
that does not. One that appears again and again is flapping: that is told once, and nothing more
until it has neither come nor gone for an hour.
"""

from __future__ import annotations

from dataclasses import replace

from mlufleet.watch import clock
from mlufleet.watch.problems import RECURRED, Problem, TrackedProblem

#: appearances within FLAP_WINDOW_S from which on a problem is flapping
FLAP_LIMIT = 3
FLAP_WINDOW_S = 6 * 3600
#: seconds without coming or going after which a problem is no longer flapping
STABLE_S = 3600
#: looks in a row that confirm that a problem is there, or that it is not
CONFIRMING_LOOKS = 2


def see(before: TrackedProblem | None, problem: Problem, now: float) -> tuple[TrackedProblem, str]:
    """Return what is known of a problem after a look that saw it, and the kind of the change.

    Args:
        before: What was known; None if nothing was.
        problem: As the look saw it.
        now: When the look ended.

    Returns:
        The kind is "" for nothing to tell.
    """
    if before is None or (before.missed and (before.opened is None or before.is_flapping)):
        return appear(before, problem, now)
    after = replace(before, problem=problem, last_seen=now, missed=0)
    if before.opened is None:
        return replace(after, opened=now), "opened"
    if before.is_flapping and now - before.flaps[-1] >= STABLE_S:
        return replace(after, is_flapping=False, flaps=()), ""
    return after, ""


def appear(
    before: TrackedProblem | None, problem: Problem, now: float
) -> tuple[TrackedProblem, str]:
    """Return what is known of a problem that has just appeared, and the kind of the change.

    Args:
        before: What was known of earlier appearances; None if nothing was.
        problem: As the look saw it.
        now: When the look ended.
    """
    flaps = (*_keep_recent(before, now), now)[-FLAP_LIMIT:]
    after = TrackedProblem(problem, now, now, flaps=flaps)
    if before and before.is_flapping:
        first, opened = before.first_seen, before.opened
        return replace(after, first_seen=first, opened=opened, is_flapping=True), RECURRED
    if len(flaps) < FLAP_LIMIT:
        return after, ""
    return replace(after, first_seen=flaps[0], opened=now, is_flapping=True), "flapping"


def miss(before: TrackedProblem, now: float) -> tuple[TrackedProblem | None, str]:
    """Return what is known of a problem after a look that did not see it, and what changed.

    Args:
        before: What was known.
        now: When the look ended.

    Returns:
        None for a problem of which nothing needs to be known any more.
    """
    missed = min(before.missed + 1, CONFIRMING_LOOKS)
    after, is_gone = replace(before, missed=missed), missed == CONFIRMING_LOOKS
    if before.is_flapping:
        is_stable = is_gone and now - before.last_seen >= STABLE_S
        return (None, "resolved") if is_stable else (after, "")
    if before.opened is None or is_gone:
        recent = _keep_recent(before, now)
        kind = "" if before.opened is None else "resolved"
        return (replace(after, opened=None, flaps=recent) if recent else None), kind
    return after, ""


def set_back(known: TrackedProblem, now: float, by: float = 0.0) -> TrackedProblem:
    """Return a problem without times in the future, which are those of a clock that was wrong.

    Args:
        known: The problem.
        now: The time by the clock as it is.
        by: How far it was ahead, if that is known.
    """
    if max(known.last_seen, known.first_seen, known.opened or 0.0, *known.flaps) <= now:
        return known
    return replace(
        known,
        first_seen=clock.set_back(known.first_seen, now, by),
        last_seen=clock.set_back(known.last_seen, now, by),
        opened=None if known.opened is None else clock.set_back(known.opened, now, by),
        flaps=tuple(clock.set_back(flap, now, by) for flap in known.flaps),
    )


def _keep_recent(before: TrackedProblem | None, now: float) -> tuple[float, ...]:
    flaps = before.flaps if before else ()
    return tuple(flap for flap in flaps if now - flap < FLAP_WINDOW_S)
