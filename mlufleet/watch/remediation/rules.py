"""What is to be done about each host, and why: pure functions.

A decision rests on open problems, which two looks in a row have seen and the last one has seen
again. The next rung comes only when the one before it is known not to have helped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from fleet.error_codes import POWER_CYCLE as POWER_CYCLE_ACTION
from fleet.error_codes import REBOOT as REBOOT_ACTION
from fleet.error_codes import RESTART as RESTART_ACTION
from fleet.language import _
from fleet.text.word_lists import join_words
from mlufleet.report.model import stage_name
from mlufleet.watch import decision as rungs
from mlufleet.watch.decision import Decision
from mlufleet.watch.observation import BUSY, SEEN, Observation
from mlufleet.watch.problems import HostState, TrackedProblem
from mlufleet.watch.remediation.budget import Budget, Choice, hold
from mlufleet.watch.remediation.policy import STORM_WINDOW_S, Policy
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot
from operations.stage import RESTART_CONTAINER, START_CONTAINER

#: stages that only start servers, and ask the model
RESTART_STAGES = ("smoke", "serve")
#: kinds of changes of a container that is as it is to be, and does not run so
START_KINDS = (START_CONTAINER, RESTART_CONTAINER)
#: stages that cannot be seen while their container is not running
HIDDEN_STAGES = ("migration", "patch", "packages")
#: suggested actions that a run can do; the others are a person's
MENDABLE = (RESTART_ACTION, REBOOT_ACTION)
#: looks after a run within which it has to be proved
MAX_LOOKS = 6
#: seconds after which a run of which nothing is known any more takes no place of `--repair-at-once`
PENDING_S = 12 * 3600
#: intervals in which all hosts are looked at, with jitter and rounds
PASS_FACTOR = 1.1
#: looks in a row that have to agree
PROOF_LOOKS = 2

#: host -> what was decided and done about it, oldest first
Attempts = Mapping[str, Sequence[Decision]]


def decide(
    snapshot: FleetSnapshot,
    attempts: Attempts,
    policy: Policy,
    now: float,
    refusals: Mapping[str, str] = MappingProxyType({}),
) -> list[Decision]:
    """Return a decision for each host that has open problems and may be mended.

    A host whose last run is not judged yet has none.

    Args:
        snapshot: The fleet, as it was last seen.
        attempts: Earlier decisions that led to a run.
        policy: What the site allows.
        now: The time, in seconds since the epoch.
        refusals: Host -> why a run would be refused before it connects to it.
    """
    storm = find_storm(snapshot, policy)
    is_fresh = any(now - time <= STORM_WINDOW_S for time in storm.values())
    room = policy.at_once - len(_list_pending(snapshot, attempts, now))
    budget = Budget.begin(snapshot, policy, now, room)
    decisions = []
    for host in snapshot.hosts.values():
        found, past = list_confirmed(host, snapshot.started), attempts.get(host.name, ())
        if host.remediate == rungs.OFF or not found or _is_pending(past):
            continue
        if _is_young(found, snapshot, now):
            continue
        choice = find_veto(host, found)
        if choice is None and (host.name in storm or is_fresh):
            reason = _(
                "more than {storm} of the hosts got problems within 15 minutes", storm=policy.storm
            )
            choice = hold(rungs.HOLD_STORM, reason)
        choice = choice or choose_rung(host, found, past)
        if choice.rung in rungs.RUN_RUNGS and (why := refusals.get(host.name)):
            choice = hold(rungs.HOLD_CHANGED, why)
        choice = budget.take(choice, past)
        decisions.append(choice.decide(host, found, now))
    return decisions


def list_confirmed(host: HostSnapshot, since: float) -> list[TrackedProblem]:
    """Return the open problems that the last look has seen as well.

    Args:
        host: The host.
        since: When the watch began: an older look says nothing.
    """
    if host.last is None or host.last.began < since:
        return []
    return [
        one
        for one in host.state.open_problems
        if one.missed == 0 and one.last_seen >= host.last.ended
    ]


def find_storm(snapshot: FleetSnapshot, policy: Policy) -> dict[str, float]:
    """Return the hosts that broke together, each with the time of its latest problem.

    They stay in it for as long as they are broken, so that no storm is mended when it is over: a
    person has to find out what it was.

    Args:
        snapshot: The fleet.
        policy: What counts as a storm.
    """
    limit = max(1, policy.storm.resolve_up(len(snapshot.hosts)))
    events = sorted(
        (one.first_seen, host.name)
        for host in snapshot.hosts.values()
        for one in host.state.problems.values()
        if one.missed == 0 and (one.opened is not None or one.last_seen == host.state.last_look)
    )
    storm: dict[str, float] = {}
    begin = 0
    for end, (time, _host) in enumerate(events):
        while time - events[begin][0] > STORM_WINDOW_S:
            begin += 1
        together = events[begin : end + 1]
        if len({name for _at, name in together}) > limit:
            storm.update({name: at for at, name in together})
    return storm


def find_veto(host: HostSnapshot, found: Sequence[TrackedProblem]) -> Choice | None:
    """Return why nothing may be done to a host at present; None for no reason.

    Args:
        host: The host.
        found: Its open problems.
    """
    if host.quarantine:
        reason = _("it is {sentence}; only people end that", sentence=host.quarantine.sentence)
        return hold(rungs.HOLD_QUARANTINED, reason)
    others = (one.problem for one in found if one.problem.action not in MENDABLE)
    for problem in others:
        if not _may_take_out(host) or problem.action != POWER_CYCLE_ACTION:
            return _leave_to_person(problem.key, problem.action)
    if _needs_power_cycle(found):
        return None
    if host.last is None or host.last.outcome != SEEN:
        return hold(rungs.HOLD_UNPROBED, _("the last look could not probe it"))
    failure = host.last.failure
    if failure and failure.action not in MENDABLE:
        return _leave_to_person(failure.code, failure.action)
    return None


def _may_take_out(host: HostSnapshot) -> bool:
    """Return whether the inventory lets the watch take a host out of service."""
    return host.remediate == rungs.REPAIR_ALL


def _needs_power_cycle(found: Sequence[TrackedProblem]) -> str:
    """Return what only a person at the machine, or its BMC, can end; empty for nothing."""
    return ", ".join(one.problem.key for one in found if one.problem.action == POWER_CYCLE_ACTION)


def _take_out(host: HostSnapshot, reason: str, why: str) -> Choice:
    """Return the choice to take a host out of service, unless it still serves somebody.

    Args:
        host: The host.
        reason: Why no rung is left.
        why: The hold if it stays in service.
    """
    facts = host.last.observed if host.last and host.last.was_probed else None
    if facts and any(one.is_ready for one in facts.endpoints):
        return hold(why, _("{reason}; it still serves, a person has to look", reason=reason))
    return Choice(rungs.QUARANTINE, reason)


def _leave_to_person(what: str, action: str) -> Choice:
    return hold(
        rungs.HOLD_ACTION,
        _("{what}: no run mends it, {action} is suggested", what=what, action=action),
    )


def choose_rung(
    host: HostSnapshot, found: Sequence[TrackedProblem], past: Sequence[Decision]
) -> Choice:
    """Return the lowest rung that may help and was not tried, and why that one.

    Args:
        host: The host.
        found: Its open problems.
        past: What was done about it so far, oldest first.
    """
    if dead := _needs_power_cycle(found):
        reason = _leave_to_person(dead, POWER_CYCLE_ACTION).reason
        return _take_out(host, reason, rungs.HOLD_ACTION)
    tried = {one.rung for one in past if one.is_attempt and not one.is_over}
    what = ", ".join(one.problem.key for one in found)
    ladder = list(_list_ladder(host, found, tried))
    allowed = [
        rung for rung in ladder if host.remediate == rungs.REPAIR_ALL or rung == rungs.RESTART
    ]
    left = [rung for rung in allowed if rung not in tried]
    failed = join_words(_(rung) for rung in rungs.RUNGS if rung in tried)
    if left:
        return Choice(
            left[0],
            _("{what} after {failed} did not help", what=what, failed=failed) if failed else what,
        )
    if tried and _may_take_out(host):
        return _take_out(
            host, _("{what}: {failed} did not help", what=what, failed=failed), rungs.HOLD_EXHAUSTED
        )
    if tried:
        why = rungs.HOLD_EXHAUSTED
        return hold(
            why, _("{what}: all that is allowed did not help, a person has to look", what=what)
        )
    if not ladder:
        return hold(rungs.HOLD_NO_STAGE, _("{what}: no stage would change anything", what=what))
    reason = _(
        "{what}: `remediate: {mode}` does not allow {rung}",
        what=what,
        mode=host.remediate,
        rung=_(ladder[0]),
    )
    return hold(rungs.HOLD_NOT_ALLOWED, reason)


def _list_ladder(
    host: HostSnapshot, found: Sequence[TrackedProblem], tried: set[str]
) -> Iterator[str]:
    if any(one.problem.action == REBOOT_ACTION for one in found):
        yield rungs.REBOOT
        return
    if host.last and host.last.drift:
        yield rungs.RESTART if _is_down(host.last) else rungs.REPAIR
    if tried:
        yield rungs.REBOOT


def _is_down(last: Observation) -> bool:
    """Return whether all that a run would do is to start what is down, as far as can be seen."""
    stopped = {
        label.partition(" of ")[2]
        for label in last.drift
        if stage_name(label) == "container"
        and all(kind in START_KINDS for kind, _words in last.list_changes(label))
    }
    return all(
        stage_name(label) in RESTART_STAGES
        or (
            stage_name(label) in ("container", *HIDDEN_STAGES)
            and label.partition(" of ")[2] in stopped
        )
        for label in last.drift
    )


def _is_young(found: Sequence[TrackedProblem], snapshot: FleetSnapshot, now: float) -> bool:
    """Return whether other hosts may not have been looked at since the latest of some problems.

    Two looks at one host can follow each other sooner than looks at all hosts, and until then
    nobody knows whether many broke together.
    """
    return now < max(one.first_seen for one in found) + snapshot.every_s * PASS_FACTOR


def _list_pending(snapshot: FleetSnapshot, attempts: Attempts, now: float) -> set[str]:
    """Return the hosts that are being mended, or not proved yet."""
    known = (one for name in snapshot.hosts for one in attempts.get(name, ()))
    return {one.host for one in known if not one.is_settled and one.time > now - PENDING_S}


def _is_pending(past: Sequence[Decision]) -> bool:
    return any(not one.is_settled for one in past)


def settle(attempt: Decision, observation: Observation, state: HostState) -> Decision:
    """Return what is known of an attempt after another look at its host.

    Args:
        attempt: The attempt.
        observation: The look.
        state: What is known of the host after it.
    """
    if attempt.is_over or not attempt.is_attempt or observation.outcome == BUSY:
        return attempt
    if attempt.ended is None or observation.began < attempt.ended:
        return attempt
    open_problems = state.open_problems
    is_seen = any(one.last_seen >= observation.ended for one in open_problems)
    looks, misses = attempt.looks + 1, attempt.misses + 1 if is_seen else 0
    is_right = not open_problems and observation.outcome == SEEN and looks >= PROOF_LOOKS
    after = replace(attempt, looks=looks, misses=misses, is_over=is_right)
    if attempt.is_proved is not None:
        return after
    if is_right:
        return replace(after, is_proved=True)
    if misses >= PROOF_LOOKS or looks >= MAX_LOOKS:
        return replace(after, is_proved=False)
    return after
