"""What is known of a host after another look at it, and what has changed: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fleet.language import N_, _
from mlufleet.report.model import stage_name
from mlufleet.watch import appearances, causes, clock, problems
from mlufleet.watch.causes import View
from mlufleet.watch.observation import BUSY, SEEN, Observation
from mlufleet.watch.problems import (
    DRIFT,
    QUARANTINE_REMEDY,
    QUARANTINED,
    REBOOTED,
    RELEASED,
    TAKEN_OUT,
    Change,
    HostState,
    Problem,
    TrackedProblem,
)

if TYPE_CHECKING:
    from fleet.quarantine import Quarantine

#: stages without which nothing of a release runs
VITAL_STAGES = ("driver", "engine", "container")
REBOOT_SENTENCE, REBOOT_REMEDY = (
    N_("the host has booted since the last look that probed it, and no run rebooted it"),
    N_("Find out why: check the console, the power supply and `journalctl -b -1`."),
)


def list_problems(observation: Observation) -> list[Problem]:
    """Return what one look shows to be wrong, each root cause once.

    Args:
        observation: The look.
    """
    return causes.judge(observation).problems


def track(
    state: HostState,
    observation: Observation,
    *,
    run: str = "",
    quarantine: Quarantine | None = None,
) -> tuple[HostState, list[Change]]:
    """Return what is known of a host after another look, and what has changed.

    Args:
        state: What was known before.
        observation: The look.
        run: Run that has worked on the host since the look before; or empty.
        quarantine: Why the host is out of service; None if it is not.
    """
    now, view = observation.ended, causes.judge(observation)
    state = set_back(state, now)
    known = {key: one for key, one in state.problems.items() if key != REBOOTED}
    reboots = state.problems.get(REBOOTED)
    tracked, told = _track_problems(known, view, now)
    if _has_rebooted(state, observation, run):
        reboots, kind = _add_reboot(reboots, now)
        told.append((kind, reboots.problem, state.last_probed or now))
    elif reboots and now - reboots.last_seen >= appearances.STABLE_S:
        reboots = None if reboots.is_flapping else _forget_old(reboots, now)
    tracked |= {REBOOTED: reboots} if reboots else {}
    health = _find_health(state, observation, view, tracked)
    told += _tell_quarantine(state, quarantine, now) + _tell_health(state, health, now)
    after = HostState(
        problems=tracked,
        boot_id=observation.boot_id or state.boot_id,
        last_look=now,
        last_probed=now if observation.was_probed else state.last_probed,
        health=health,
        since=state.since if health == state.health and state.since is not None else now,
    )
    after = _keep_quarantine(after, quarantine)
    changes = [Change(now, observation.host, kind, one, since, run) for kind, one, since in told]
    return after, changes


def set_back(state: HostState, now: float, by: float = 0.0) -> HostState:
    """Return what is known of a host without times in the future.

    Args:
        state: What is known.
        now: The time by the clock as it is.
        by: How far it was ahead before, if that is known.
    """

    def correct(at: float | None) -> float | None:
        return None if at is None else clock.set_back(at, now, by)

    return replace(
        state,
        problems={key: appearances.set_back(one, now, by) for key, one in state.problems.items()},
        last_look=correct(state.last_look),
        last_probed=correct(state.last_probed),
        since=correct(state.since),
    )


def is_unconfirmed(before: HostState, after: HostState) -> bool:
    """Return whether a look has shown something that only the next one can confirm.

    Args:
        before: What was known before the look.
        after: What is known after it.
    """
    for key, one in after.problems.items():
        if one.is_flapping:
            continue
        if one.opened is None and not one.missed and one.last_seen == after.last_look:
            return True
        known = before.problems.get(key)
        if one.opened is not None and one.missed == 1 and known and not known.missed:
            return True
    return False


_Told = list[tuple[str, Problem, float]]


def _tell_health(state: HostState, health: str, now: float) -> _Told:
    if health == state.health:
        return []
    problem = problems.note_health(health, state.health)
    return [("health", problem, now if state.since is None else state.since)]


def _keep_quarantine(state: HostState, quarantine: Quarantine | None) -> HostState:
    if quarantine is None:
        return state
    return replace(state, quarantine=quarantine.sentence, quarantined=quarantine.began)


def _tell_quarantine(state: HostState, quarantine: Quarantine | None, now: float) -> _Told:
    """Return that a host was taken out of service, or put back, since the last look."""
    if quarantine is None:
        if not state.quarantine:
            return []
        problem = Problem(
            QUARANTINED, "", _("back in service; it was {sentence}", sentence=state.quarantine)
        )
        return [(RELEASED, problem, state.quarantined or now)]
    if quarantine.began == state.quarantined:  # also if somebody has edited its reason
        return []
    problem = Problem(QUARANTINED, "", quarantine.sentence, _(QUARANTINE_REMEDY))
    return [(TAKEN_OUT, problem, quarantine.began)]


def _track_problems(
    known: Mapping[str, TrackedProblem], view: View, now: float
) -> tuple[dict[str, TrackedProblem], _Told]:
    tracked: dict[str, TrackedProblem] = {}
    told: _Told = []
    seen = _identify(view.problems, known)
    for key in dict.fromkeys((*known, *seen)):
        before, problem = known.get(key), seen.get(key)
        after: TrackedProblem | None
        if problem:
            after, kind = appearances.see(before, problem, now)
        elif before and not view.hides(before.problem):
            after, kind = appearances.miss(before, now)
        else:
            after, kind = before, ""
        if after:
            tracked[key] = after
        if kind and (one := after or before):
            told.append((kind, one.problem, one.first_seen))
    return tracked, told


def _identify(
    problems: Iterable[Problem], known: Mapping[str, TrackedProblem]
) -> dict[str, Problem]:
    """Return keys -> problems that a look saw; an endpoint keeps the code that it first had.

    What is wrong with one looks different from moment to moment: it does not answer, is killed for
    that, and is then not ready in time.
    """
    first_codes = {
        one.problem.subject: one.problem.code
        for one in known.values()
        if causes.kind_of(one.problem) == causes.ENDPOINT and (one.opened or not one.missed)
    }
    found = {}
    for problem in problems:
        if causes.kind_of(problem) == causes.ENDPOINT and problem.subject in first_codes:
            problem = replace(problem, code=first_codes[problem.subject])
        found[problem.key] = problem
    return found


def _has_rebooted(state: HostState, observation: Observation, run: str) -> bool:
    """Return whether a host has booted since the last probe, and no run can have done that."""
    is_other = observation.boot_id not in ("", state.boot_id) and state.boot_id != ""
    return is_other and not run and observation.outcome != BUSY and state.health != problems.BUSY


def _add_reboot(reboots: TrackedProblem | None, now: float) -> tuple[TrackedProblem, str]:
    """Return the boots that no run has made, with another one, and the kind of that change."""
    reboot = Problem(REBOOTED, "", _(REBOOT_SENTENCE), _(REBOOT_REMEDY))
    reboots, kind = appearances.appear(reboots, reboot, now)
    # an event is over when it is seen
    return replace(reboots, missed=1, opened=None), kind or "rebooted"


def _forget_old(reboots: TrackedProblem, now: float) -> TrackedProblem | None:
    is_old = now - reboots.last_seen >= appearances.FLAP_WINDOW_S
    return None if is_old else reboots


def _find_health(
    state: HostState,
    observation: Observation,
    view: View,
    tracked: Mapping[str, TrackedProblem],
) -> str:
    found = [one.problem for one in tracked.values() if one.opened is not None]
    if observation.outcome == BUSY:
        return problems.BUSY
    if any(causes.kind_of(problem) == causes.CONTACT for problem in found):
        return problems.UNREACHABLE
    if observation.outcome != SEEN:
        seen = {problem.key for problem in view.problems}
        is_confirmed = any(problem.key in seen for problem in found)
        return problems.UNREACHABLE if is_confirmed else state.health
    if found:
        return problems.BROKEN if _is_broken(view, found) else problems.DEGRADED
    is_unproved = bool(view.problems) and state.health == problems.UNKNOWN
    return problems.UNKNOWN if is_unproved else problems.OK


def _is_broken(view: View, found: Iterable[Problem]) -> bool:
    """Return whether a host does not do its work at all."""
    endpoints = view.observed.endpoints if view.observed else []
    if endpoints:
        return not any(endpoint.is_ready for endpoint in endpoints)
    return any(
        causes.kind_of(problem) in (causes.CARD, causes.DRIVER)
        or problem.code in causes.ENGINE_CODES
        or (problem.code == DRIFT and stage_name(problem.subject) in VITAL_STAGES)
        for problem in found
    )
