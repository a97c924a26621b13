"""Acts on decisions: each rung is a run, and is written down before it begins.

A watch that is killed between the two has lost a try, and nothing is run twice. A run that a killed
watch has left is waited for: it counts as lost when a look finds that nobody works on the host.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fleet.errors import ExitStatus
from fleet.language import _, english
from fleet.text import sanitize
from fleet.text.times import format_utc
from mlufleet.watch import recent_runs
from mlufleet.watch.clock import WatchClock, set_back
from mlufleet.watch.decision import (
    DEFERRED,
    DONE,
    FAILED,
    HOLD_STORE,
    LOST,
    NONE,
    OFF,
    QUARANTINE,
    REBOOT,
    REFUSED,
    RUNNING,
    UNMARKED,
    Decision,
)
from mlufleet.watch.observation import BUSY, Observation
from mlufleet.watch.problems import HostState
from mlufleet.watch.quarantine_marks import QuarantineMarks
from mlufleet.watch.remediation import rules
from mlufleet.watch.remediation.policy import Policy
from mlufleet.watch.remediation.quarantine_rung import Hook, QuarantineRung
from mlufleet.watch.remediation.rung_process import RungProcess
from mlufleet.watch.snapshot import FleetSnapshot
from mlufleet.watch.store import Store

#: codes with which a run leaves a host to others that hold its lock or its cards
OTHERS_CODES = ("LOCKED", "CARD_BUSY")
#: a run validates its input first, which takes seconds
LOCK_GRACE_S = 60.0
#: seconds between two decisions without a look in between: hours begin and end
DECIDE_INTERVAL_S = 30.0
#: seconds for which earlier decisions are looked at
MEMORY_S = 30 * 86400.0


@dataclass(frozen=True)
class RemediationSettings:
    """What a watch may mend, and how.

    Attributes:
        inventory: File of the inventory.
        policy: What the site allows.
        command: Starts `mlufleet`.
        lock_grace_s: Seconds in which a run that a killed watch has left takes the host's lock.
        hook: What is run for a host that was taken out of service; None for nothing.
    """

    inventory: str
    policy: Policy = field(default_factory=Policy)
    command: Sequence[str] = (sys.executable, "-m", "mlufleet")
    lock_grace_s: float = LOCK_GRACE_S
    hook: Hook | None = None


class Remediator:
    """Mends hosts; all methods are for the watch's own thread.

    Args:
        settings: What may be mended.
        store: Keeps decisions.
        tell: Takes lines for the operator.
        clock: The time by which the watch writes.

    Attributes:
        decisions: Host -> the last decision about it.
        totals: Rung and outcome -> runs that have ended since the watch began.
        holds: Host -> why nothing is done about it at present.
        marks: The hosts in quarantine.
    """

    def __init__(
        self,
        settings: RemediationSettings,
        store: Store,
        tell: Callable[[str], None] = lambda line: print(line, flush=True),
        clock: WatchClock | None = None,
    ) -> None:
        self.settings, self.store, self._tell = settings, store, tell
        self.marks = QuarantineMarks(settings.inventory)
        self._rung = QuarantineRung(self.marks, settings.inventory, settings.command, settings.hook)
        self.decisions: dict[str, Decision] = {}
        self.totals: Counter[tuple[str, str]] = Counter()
        self.holds: dict[str, str] = {}
        self._clock = clock or WatchClock()
        self._started = self._clock.now()
        self._attempts: dict[str, list[Decision]] = {}
        self._processes: dict[str, RungProcess] = {}
        #: decisions whose end could not be written yet
        self._unwritten: dict[int, Decision] = {}
        #: host -> digest of what it is to be, as the watch has read it
        self._digests: Mapping[str, str] = {}
        #: host -> digest that its last run was given
        self._expected: dict[str, str] = {}
        #: host -> why its last run was refused
        self._refusals: dict[str, str] = {}
        #: host -> why its mark could not be written
        self._unmarkable: dict[str, str] = {}
        self._is_due, self._next_turn = True, 0.0
        self._is_stopping = False
        for kept in store.list_decisions(self._started - MEMORY_S):
            one = kept.set_back(self._started)
            self.decisions[one.host] = one
            if one.rung != NONE:
                self._attempts.setdefault(one.host, []).append(one)
        self._was_marked = set(self.marks.hosts)

    @property
    def is_busy(self) -> bool:
        """Whether a run or a hook is going on."""
        return bool(self._processes) or self._rung.is_busy

    def set_digests(self, digests: Mapping[str, str]) -> None:
        """Take what hosts are to be; a run that would bring one to something else is refused.

        Args:
            digests: Host -> digest of its desired state, as the watch has read it.
        """
        self._digests, self._refusals, self._is_due = dict(digests), {}, True
        self._unmarkable = {}
        for host, attempts in self._attempts.items():
            if host in digests or host in self._processes:
                continue
            for index, one in enumerate(attempts):
                if one.is_run and one.outcome == RUNNING:  # no look will ever say what came of it
                    ended = round(self._clock.now(), 3)
                    attempts[index] = replace(one, ended=ended, outcome=LOST)
                    self._update(attempts[index])

    def observe(self, observation: Observation, state: HostState) -> None:
        """Note what a look says about earlier attempts.

        Args:
            observation: The look.
            state: What is known of the host after it.
        """
        self._is_due = True
        attempts = self._attempts.get(observation.host, [])
        for index, before in enumerate(attempts):
            after = rules.settle(before, observation, state)
            if self._is_left(after, observation):
                after = replace(after, ended=observation.ended, outcome=LOST)
            attempts[index] = after
            if (after.is_proved, after.is_over, after.ended) != (
                *(before.is_proved, before.is_over, before.ended),
            ):
                self._update(after)

    def _is_left(self, attempt: Decision, observation: Observation) -> bool:
        """Return whether an attempt is one of a killed watch, and nobody works on the host."""
        return (
            attempt.is_run
            and attempt.outcome == RUNNING
            and attempt.host not in self._processes
            and observation.outcome != BUSY
            and observation.began > self._started + self.settings.lock_grace_s
        )

    def take_turn(self, snapshot: FleetSnapshot) -> None:
        """Note which runs have ended, decide, and begin what is to be done.

        Args:
            snapshot: The fleet, as it was last seen.
        """
        self.poll()
        self._forget_released()
        now = time.monotonic()
        if not self._is_due and now < self._next_turn:
            return
        self._is_due, self._next_turn = False, now + DECIDE_INTERVAL_S
        if all(host.remediate == OFF for host in snapshot.hosts.values()):
            self.holds = {}
            return
        policy = self.settings.policy
        holds: dict[str, str] = {}
        now_s = round(self._clock.now(), 3)
        for made in rules.decide(snapshot, self._attempts, policy, now_s, self._refusals):
            if made.rung != NONE and made.host in self.marks.hosts:
                continue  # it has come into quarantine since the snapshot was taken
            obstacle = self._find_obstacle(made)
            if made.rung != NONE and not obstacle and self._begin(made):
                continue
            if obstacle:
                reason = _(
                    "{reason}: {rung} is not begun: {obstacle}",
                    reason=made.reason,
                    rung=_(made.rung),
                    obstacle=obstacle,
                )
                made = replace(made, rung=NONE, reason=reason, hold=HOLD_STORE)
            elif made.rung != NONE:
                reason = _(
                    "{reason}: {rung} is not begun, as it cannot be written down",
                    reason=made.reason,
                    rung=_(made.rung),
                )
                made = replace(made, rung=NONE, reason=reason, hold=HOLD_STORE)
            self._note(made)
            holds[made.host] = made.hold
        self.holds = holds

    def _find_obstacle(self, made: Decision) -> str:
        """Return what is wrong with the file of quarantines; empty for nothing."""
        if made.rung != QUARANTINE:  # a run would be refused as well
            return self.marks.error if made.rung != NONE else ""
        return self._unmarkable.get(made.host, "") or self.marks.find_obstacle()

    def set_back(self, now: float, by: float) -> None:
        """Leave no time in the future: the clock was ahead.

        Args:
            now: The time by the clock as it is.
            by: How far it was ahead.
        """
        self._started = set_back(self._started, now, by)
        self.decisions = {host: one.set_back(now, by) for host, one in self.decisions.items()}
        for attempts in self._attempts.values():
            for index, before in enumerate(attempts):
                attempts[index] = after = before.set_back(now, by)
                if after != before:
                    self._update(after)
        self._is_due = True

    def poll(self) -> None:
        """Note which runs and hooks have ended, and which steps of a quarantine are due."""
        for number in list(self._unwritten):
            if self.store.update_decision(self._unwritten[number]):
                del self._unwritten[number]
        for host, process in list(self._processes.items()):
            status = process.poll()
            if status is not None:
                del self._processes[host]
                self._end(host, status, process.read_last_line())
                process.close()
        for attempts in self._attempts.values():
            for index, before in enumerate(attempts):
                if before.rung == QUARANTINE:
                    self._go_on(attempts, index)

    def _go_on(self, attempts: list[Decision], index: int) -> None:
        """Take the next step of a quarantine; each is written down before the one after it."""
        while self._rung.is_due(before := attempts[index]):
            if self._rung.is_waiting(before):
                if before.number in self._unwritten:
                    return
                self._rung.begin_hook(before)
            after, line = self._rung.go_on(before, round(self._clock.now(), 3))
            if after == before:
                return
            attempts[index] = after
            self._update(after)
            if line:
                self._tell(_format_line(after.host, line, self._clock.now()))
            if after.outcome == UNMARKED:
                self._unmarkable[after.host] = _("{line}; SIGHUP lets it be tried again", line=line)

    def _forget_released(self) -> None:
        """Begin anew with hosts that people have put back into service."""
        if self.marks.error:  # nobody knows whether they have
            return
        marked = set(self.marks.hosts)
        released, self._was_marked = self._was_marked - marked, marked
        for host in released:
            self._refusals.pop(host, None)  # a run is refused for a mark, too
        for host, attempts in self._attempts.items():
            is_ours = any(self._rung.is_ended(one) and not one.is_over for one in attempts)
            if host in marked or not (is_ours or host in released):
                continue
            for index, before in enumerate(attempts):
                if not before.is_over and before.is_settled:
                    attempts[index] = after = replace(before, is_over=True)
                    self._update(after)

    def ask_to_stop(self) -> None:
        """Let each run end its step and begin no other."""
        self._is_stopping = True
        for process in self._processes.values():
            process.ask_to_stop()

    def close(self) -> None:
        """Leave the runs alone that are still going on."""
        for process in self._processes.values():
            process.close()
        self._processes.clear()
        self._rung.close()

    def _note(self, made: Decision) -> None:
        """Keep the decision to do nothing, once."""
        last = self.decisions.get(made.host)
        is_same = last is not None and (last.rung, last.reason) == (made.rung, made.reason)
        if not is_same:
            self.decisions[made.host] = self.store.add_decision(made) or made
            self._tell(format_decision(made))

    def _begin(self, made: Decision) -> bool:
        """Write a decision down and begin its run; return whether it could be written."""
        kept = self.store.add_decision(replace(made, outcome=RUNNING))
        if kept is None:
            return False
        self.decisions[made.host] = kept
        self._attempts.setdefault(made.host, []).append(kept)
        self._tell(format_decision(kept))
        if kept.rung == QUARANTINE:
            attempts = self._attempts[made.host]
            self._go_on(attempts, len(attempts) - 1)
            return True
        try:
            command = self._build_command(kept)
            process = RungProcess(command, f"watch: {kept.rung}: {english(kept.reason)}")
        except OSError as error:
            self._end(made.host, -1, str(error))
        else:
            self._processes[made.host] = process
        return True

    def _build_command(self, decision: Decision) -> list[str]:
        inventory, words = self.settings.inventory, list(self.settings.command)
        # what was changed on disk meanwhile is a rollout's
        digest = self._expected[decision.host] = self._digests.get(decision.host, "unknown")
        expected = f"--expect-digest={digest}"
        if decision.rung == REBOOT:
            return [*words, "host", "reboot", inventory, decision.host, expected]
        return [*words, "deploy", inventory, "--limit", decision.host, expected]

    def _end(self, host: str, status: int, last_line: str) -> None:
        before = self._attempts[host][-1]
        since = before.time - self._clock.find_offset()
        run = recent_runs.find_run_since(host, since)
        outcome = self._find_outcome(host, status, since)
        is_read_anew = self._expected.get(host) != self._digests.get(host)
        if outcome == REFUSED and not is_read_anew:
            self._refusals[host] = _(
                "the release on disk is not the one that the watch knows: send SIGHUP "
                "(`systemctl reload mlufleet-watch`) or roll it out: {line}",
                line=last_line,
            )
        after = replace(before, ended=round(self._clock.now(), 3), outcome=outcome, run=run)
        if outcome == FAILED and self._is_stopping:  # its end is no word on whether it helps
            after = replace(after, outcome=(outcome := LOST), is_proved=False, is_over=True)
        self._attempts[host][-1] = after
        self.totals[after.rung, outcome] += 1
        self._update(after)
        what = _("run {run}", run=run) if run else last_line
        line = _describe_end(after, status, what)
        self._tell(_format_line(host, line, after.ended or 0))

    def _find_outcome(self, host: str, status: int, since: float) -> str:
        """Return how a run that began after a time has ended with an exit status."""
        if not status:
            return DONE
        if status == ExitStatus.INVALID:  # nothing was connected to
            return REFUSED
        if status == ExitStatus.UNREACHABLE:
            return DEFERRED
        code = recent_runs.find_failure_since(host, since)
        return DEFERRED if code in OTHERS_CODES else FAILED

    def _update(self, decision: Decision) -> None:
        if decision.number == self.decisions[decision.host].number:
            self.decisions[decision.host] = decision
        if not self.store.update_decision(decision):
            self._unwritten[decision.number] = decision


def format_decision(decision: Decision) -> str:
    """Return a decision as one line: time, host, rung, reason.

    Args:
        decision: The decision.
    """
    line = _("{rung}: {reason}", rung=_(decision.rung), reason=decision.reason)
    return _format_line(decision.host, line, decision.time)


def _describe_end(decision: Decision, status: int, what: str) -> str:
    """Return how the run of a decision has ended with an exit status, and what it says."""
    rung, outcome = _(decision.rung), _(decision.outcome)
    if not status:
        return _("{rung} {outcome}: {what}", rung=rung, outcome=outcome, what=what)
    return _(
        "{rung} {outcome} (status {status}): {what}",
        rung=rung,
        outcome=outcome,
        status=status,
        what=what,
    )


def _format_line(host: str, text: str, now: float) -> str:
    line = _("{time} {host} remediation: {text}", time=format_utc(now), host=host, text=text)
    return sanitize.escape_line(line)
