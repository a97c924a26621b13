"""One run of deploy.py: its journal from the first connection, its report at the end."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.state import State

from fleet.environment import RUN_ID_VARIABLE, WHY_VARIABLE
from fleet.errors import DEFERRED_CODES, Failure
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.language import N_, _
from fleet.release import compatibility
from fleet.release.target import HostTarget
from mlufleet.connect import errors
from mlufleet.journal import journal
from mlufleet.journal.events import (
    Event,
    HostFailure,
    HostQuarantined,
    HostRolledBack,
    HostsNamed,
    NoteAdded,
    ReleaseUnproved,
    RollbackStarted,
    RunEnded,
)
from mlufleet.report import derive
from mlufleet.run import assessment, interrupts, operator, quarantined_hosts
from mlufleet.run.host_cleanup import HostCleanup
from mlufleet.run.host_log import HostLog
from mlufleet.run.quarantined_hosts import QuarantinedHosts
from mlufleet.run.standard_streams import protect_standard_streams
from operations import smoke_test, validation
from operations.host import connection, lock
from operations.host.context import RunContext, emit_event
from operations.host.facts import HostFacts
from operations.host.failures import TAIL_LINES
from operations.host.probe import ProbeCache
from operations.stage import HostOptions, HostSpec
from operations.stages import Drift, HostPlan

SLOW_LOGIN_NOTE = N_(
    "the login took {seconds} s: its sshd looks up names (UseDNS) and no name "
    "server answers; the host itself is not slow; remedy: `UseDNS no` in "
    "/etc/ssh/sshd_config, or a right /etc/resolv.conf"
)


class Run:
    """One run of deploy.py: writes its journal while it runs, and its report at the end."""

    def __init__(self, state: State, identity: str, why: str) -> None:
        self.state, self.context = state, RunContext.from_state(state)
        self.folder = journal.RUNS / identity
        self.journal = journal.Journal(self.folder)
        self.log = HostLog(self.folder, self.context.login_durations_s)
        self.owner = lock.LockOwner(identity, operator.operator_name(), why)
        self.hosts_recorded = False
        #: hosts that the run was asked for and that are in quarantine
        self.quarantined = QuarantinedHosts()
        self.interrupted = False
        #: why the journal cannot be written
        self.journal_error = ""
        #: host -> its failure, unless it was rolled back since
        self.failures: dict[str, HostFailure] = {}
        #: host that went back to an older release -> whether that was asked for
        self.rolled_back: dict[str, bool] = {}
        #: host -> what the journal has of the last look at it, but for its time
        self.last_assessments: dict[str, dict[str, Any]] = {}
        #: identities of the releases of which the journal says what is unproved
        self.recorded_releases: set[str] = set()

    @classmethod
    def begin(cls, state: State, identity: str, why: str) -> Run:
        """The run of this process, which keeps what happens to hosts.

        :param why: the command that was given
        """
        run = cls(state, identity, why)
        logger.addHandler(run.log)
        run.context.recorder = run
        run.context.events.listeners.append(run.record_event)
        run.context.service(ProbeCache).listeners.append(run.on_probe)
        return run

    @classmethod
    def start_for_deploy(cls, state: State) -> None:
        """Begin a journal if this process runs deploy.py (not a fact, not a shell command)."""
        is_deploy = any(Path(word).name == "deploy.py" for word in sys.argv[1:])
        if not is_deploy or RunContext.from_state(state).is_recorded:
            return
        protect_standard_streams()
        with as_pyinfra_error():
            journal.check_writable()
        name = os.environ.get(RUN_ID_VARIABLE) or journal.new_run_id()
        why = os.environ.get(WHY_VARIABLE, "")
        words = [why] if why else ["pyinfra", *sys.argv[1:]]
        run = cls.begin(state, name, operator.redact_command(words))
        run.context.is_read_only = "--dry" in sys.argv
        quarantined_hosts.heed_in_pyinfra(run.note_quarantined)
        run._handle_interrupts()
        atexit.register(run.finish)

    def record_event(self, event: Event) -> None:
        """Append an event to the journal.

        If that fails, every host is asked to stop: nothing is done that cannot be recorded.
        """
        match event:
            case HostFailure():
                self.failures[event.host] = event
            case RollbackStarted():  # the failure is recorded; from here on it is another try
                self.failures.pop(event.host, None)
            case HostRolledBack():
                self.rolled_back[event.host] = event.by_hand
        try:
            self.journal.append(event)
        except OSError as error:
            if self.journal_error:
                return
            self.journal_error = f"{self.folder}/journal.jsonl: {error.strerror or error}"
            self.interrupted = True
            logger.error(
                _(
                    "{error}: stopping: running steps end, no new one starts",
                    error=self.journal_error,
                )
            )
            self.context.stop.request(self.journal_error)

    def on_probe(self, host: Host, target: HostTarget, facts: HostFacts) -> None:
        """Note what a later look at a host sees otherwise than the one before it."""
        if host.name in self.last_assessments:
            self._emit_assessment(
                host, assessment.observation_fields(target, facts, HostOptions.from_host(host))
            )

    def _emit_assessment(self, host: Host, assessed: dict[str, Any], **more: Any) -> None:
        known = {key: value for key, value in assessed.items() if key != "seen"}
        if known["lock"]:  # how long ago its holder was heard differs in every look
            known["lock"] = {**known["lock"], "age": 0}
        # and so does when a server last answered
        known["endpoints"] = [{**one, "answered": None} for one in known["endpoints"]]
        if more or known != self.last_assessments.get(host.name):
            self.last_assessments[host.name] = known
            emit_event(host, "observed" if more else "facts", **more, **assessed)

    def has_failed(self, host: str) -> bool:
        """Return whether a host has failed in this run.

        Args:
            host: Name of the host.
        """
        return host in self.failures

    def counts_against_budget(self, host: str) -> bool:
        """Whether a host counts against a failure budget: one that is only busy does not."""
        if self.rolled_back.get(host) is False:
            return True
        return self.has_failed(host) and self.failures[host].code not in DEFERRED_CODES

    def _handle_interrupts(self) -> None:
        """Let running steps finish and release the hosts at the first Ctrl-C; stop at the second.

        SIGTERM and a closed terminal count as Ctrl-C. pyinfra would end with status 0; the report
        must know better.
        """
        pyinfras = signal.getsignal(signal.SIGINT)
        requests = interrupts.StopRequests()

        def interrupted(number: int, frame: FrameType | None) -> None:
            if not requests.is_new_request(number):
                return
            if self.interrupted or not self.hosts_recorded:  # the second time, or before any work
                self.interrupted = True
                # pyinfra disconnects in its pool; without an inventory it has none
                workers = getattr(self.state, "pool", ())
                interrupts.leave_steps(self.context.stop, workers)
                if callable(pyinfras):
                    pyinfras(number, frame)
                return
            self.interrupted = True
            self.context.stop.request()
            logger.warning(
                _("stopping: running steps end, no new one starts; again to stop at once")
            )

        for number in interrupts.stop_signals():
            signal.signal(number, interrupted)

    def record_assessment(self, host: Host, plan: HostPlan) -> None:
        """Note what a host is before anything is done to it."""
        self._record_hosts_once()
        self._record_unproved(plan.target)
        state, drift = plan.facts, plan.drift
        if isinstance(state, Failure):
            emit_event(host, "failed", stage="probe", **_failure_fields(state))
            return
        proofs = [smoke_test.STAGE.label(part) for part in plan.target.releases]
        found = self.record_observation(host, plan, state, drift, proofs)
        if left := validation.describe_skipped(HostSpec(plan.target, plan.options), state):
            emit_event(host, "note", text=left)
        if mixture := compatibility.describe_mixed_models(
            state.card_model(card) or f"cabc:{card.subsystem}" for card in state.present_cards
        ):
            emit_event(host, "note", text=mixture)
        seconds = self.context.login_durations_s.get(host.name, 0)
        if state.sshd_uses_dns and seconds > connection.SLOW_LOGIN_S:
            emit_event(host, "note", text=_(SLOW_LOGIN_NOTE, seconds=f"{seconds:.0f}"))
        if not drift:
            logger.info(
                host.print_prefix
                + _("is as release {release} says: 0 changes", release=found["wanted"])
            )

    def record_observation(
        self, host: Host, spec: HostSpec, facts: HostFacts, drift: Drift, proofs: list[str]
    ) -> dict[str, Any]:
        """Note what a host is, and what is to be done.

        Args:
            host: The host.
            spec: What it is to be.
            facts: What its probe found.
            drift: Stage -> what is to be done, or why it cannot be done.
            proofs: Stages whose end proves that all of it is done.

        Returns:
            What is noted of the facts.
        """
        refused = (
            {"stage": stage, **_failure_fields(said)}
            for stage, said in drift.items()
            if isinstance(said, Failure)
        )
        found = assessment.observation_fields(spec.target, facts, spec.options)
        self._emit_assessment(
            host,
            found,
            needs=list(drift),
            proofs=proofs,
            refusal=next(refused, None),
            drift={stage: _decision_lines(said) for stage, said in drift.items()},
        )
        return found

    def _record_hosts_once(self) -> None:
        """With pyinfra's first host: all of them are named, and those it could not connect to."""
        if self.hosts_recorded:
            return
        for host in self.record_hosts():
            if host not in self.state.activated_hosts:
                self.record_unreachable(host)

    def note_quarantined(self, found: QuarantinedHosts) -> None:
        """Keep which hosts are in quarantine, for the journal.

        Args:
            found: Those that the run was asked for.
        """
        self.quarantined = found

    def record_hosts(self) -> list[Host]:
        """Write down who is to be accounted for, and return those that are worked on."""
        self.hosts_recorded = True
        inventory = getattr(self.state, "inventory", None) or []
        limit = getattr(self.state, "limit_hosts", None)
        left_out = self.quarantined.left_out
        asked = [
            host for host in inventory if limit is None or host in limit or host.name in left_out
        ]
        groups = {host.name: list(host.data.get("groups") or ()) for host in asked}
        self.record_event(HostsNamed(names=list(groups), groups=groups))
        self.record_quarantined(self.quarantined)
        self.state.add_callback_handler(HostCleanup())
        return [host for host in asked if host.name not in left_out]

    def record_quarantined(self, found: QuarantinedHosts) -> None:
        """Write down which hosts are in quarantine, and whether that keeps the run from them.

        Args:
            found: These hosts.
        """
        for name, mark in found.marks.items():
            is_included = name not in found.left_out
            fields = mark.model_dump()
            self.record_event(HostQuarantined(host=name, included=is_included, **fields))
            self.record_event(NoteAdded(host=name, text=found.describe(name)))

    def _record_unproved(self, target: HostTarget) -> None:
        """Note once for each release what was not proved when it was locked."""
        for release in target.releases:
            points = release.lock.describe_unproved()
            if points and release.identity not in self.recorded_releases:
                self.recorded_releases.add(release.identity)
                self.record_event(ReleaseUnproved(release=release.release.name, points=points))

    def record_unreachable(self, host: Host) -> None:
        """A host that could not be connected to, and why."""
        tail = tuple(self.log.lines.get(host.name, [])[-TAIL_LINES:])
        why = errors.classify_connect_error(self.log.errors.get(host.name), tail)
        emit_event(host, "unreachable", stage="connect", **_failure_fields(why))

    def finish(self) -> None:
        """Write the report; also after a failure that pyinfra itself stopped at."""
        if not getattr(self.state, "initialised", False):
            return  # nothing was connected to: the error on the terminal says all
        self._record_hosts_once()
        for host in self.state.failed_hosts & self.state.activated_hosts:
            self.record_silent_failure(host)
        words = set(sys.argv)
        dry = "--dry" in words or bool({"--debug-operations", "--debug-facts"} & words)
        self.record_event(RunEnded(dry=dry, interrupted=self.interrupted))
        from mlufleet.report import terminal  # rich is for the end of a run

        try:
            result = derive.write_report(self.folder)
        except OSError as error:
            logger.error(
                _(
                    "{folder}: no report: {error}; `mlufleet run report {run}` makes "
                    "it of the journal",
                    folder=self.folder,
                    error=error.strerror or error,
                    run=self.folder.name,
                )
            )
            return
        terminal.print_summary(result, self.folder)

    def record_silent_failure(self, host: Host) -> None:
        """A host that pyinfra failed without any of our steps saying why."""
        if self.has_failed(host.name):
            return
        tail = self.log.lines.get(host.name, [])[-TAIL_LINES:]
        failure = Failure("NOT_PROVED", tail[-1] if tail else "", tuple(tail))
        emit_event(host, "failed", stage="", **_failure_fields(failure))


def _decision_lines(decision: Failure | list[str]) -> list[str]:
    if isinstance(decision, Failure):
        return [f"{decision.code}: {decision.sentence}", f"remedy: {decision.remedy}"]
    return decision


def _failure_fields(failure: Failure) -> dict[str, Any]:
    return {
        "code": failure.code,
        "sentence": failure.sentence,
        "remedy": failure.remedy,
        "tail": list(failure.tail),
    }
