"""Derives the report of a run from its journal, at any time, also after the run was killed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from fleet.documents import atomic_write
from fleet.error_codes import DEFERRED_CODES, FAILURE_TABLE, canonical_code
from fleet.language import N_, _
from fleet.text import places
from mlufleet.journal import events, journal
from mlufleet.journal.events import EndpointRecord, Event, FailureRecord, ValidationRecord
from mlufleet.report import critical_path
from mlufleet.report.critical_path import Transfer
from mlufleet.report.model import (
    CHANGED_STATUSES,
    HostReport,
    Report,
    RolloutReport,
    ServingReport,
    StageReport,
)

#: failures after which the state of the host is unknown
HOST_LOST_CODES = ("CONNECTION_LOST", "REBOOT_TIMED_OUT", "HUNG")
#: value of ``now`` between the start of a host in a rollout and its first stage
STARTING = N_("begins")
REPORT_FILE = "report.json"
#: folders that a note names at most
MAX_NAMED_FOLDERS = 3


def derive_report(journal_events: Iterable[Event], run: str) -> Report:
    """Derive a report.

    Args:
        journal_events: Events of the run, in their order.
        run: Name of the run.
    """
    report = Report(run=run)
    hosts: dict[str, _HostBuilder] = {}
    for event in journal_events:
        _apply_run_event(report, hosts, event)
        if event.host:
            hosts.setdefault(event.host, _HostBuilder()).apply(event)
    for name, builder in hosts.items():
        report.hosts[name] = builder.finish(report)
    report.critical_path = critical_path.find_critical_path(report)
    report.exit = report.exit_status().value
    return report


def derive_from_journal(folder: Path) -> Report:
    """Derive the report of a run without writing it.

    Args:
        folder: Folder of the run.

    Raises:
        OSError: The journal cannot be read.
    """
    return derive_report(journal.iterate_events(folder), folder.name)


def write_report(folder: Path, *, newest: bool = True) -> Report:
    """Derive the report of a run and write ``report.json``.

    Args:
        folder: Folder of the run.
        newest: Point ``runs/latest`` to the run.

    Raises:
        OSError: The journal cannot be read, or the report cannot be written.
    """
    report = derive_from_journal(folder)
    atomic_write.replace_file(folder / REPORT_FILE, report.to_json(), private=True)
    if newest:
        link = folder.parent / f".latest-{os.getpid()}"
        link.unlink(missing_ok=True)  # of a killed process that had the same ID
        link.symlink_to(folder.name)
        link.replace(folder.parent / "latest")
    return report


def _apply_run_event(report: Report, hosts: dict[str, _HostBuilder], event: Event) -> None:
    match event:
        case events.RunStarted():
            report.started, report.language = event.time, event.language
        case events.HostsNamed():
            for name in event.names:
                builder = hosts.setdefault(name, _HostBuilder())
                builder.report.groups = event.groups.get(name, [])
        case events.RolloutStarted():
            report.kind = str(event.plan.get("kind", "rollout"))
            report.rollout = RolloutReport(plan=event.plan, resumes=event.resumes)
        case events.HostsScheduled() if report.rollout:
            report.rollout.canaries = event.canaries
            report.rollout.window, report.rollout.max_fail = event.window, event.max_fail
        case events.ServingCounted() | events.ServingStopped() if report.rollout:
            _apply_serving_event(report.rollout, event)
        case events.ReleaseUnproved():
            report.unproved[event.release] = event.points
        case events.BytesSeeded():
            report.seeded += event.sent
        case events.RunEnded():
            report.ended = event.time
            report.dry, report.interrupted = event.dry, event.interrupted
            if report.rollout:
                report.rollout.stopped = event.stopped


def _apply_serving_event(
    rollout: RolloutReport, event: events.ServingCounted | events.ServingStopped
) -> None:
    serving = rollout.serving = rollout.serving or ServingReport()
    if isinstance(event, events.ServingStopped):
        serving.sentence, serving.remedy = event.sentence, event.remedy
        return
    serving.ready, serving.needed, serving.of = event.ready, event.needed, event.of
    serving.seen, serving.silent = event.seen, event.silent
    serving.waiting = event.host if event.held else ""
    serving.before = event.before or serving.before


@dataclass
class _HostBuilder:
    """Builds the report of one host from its events.

    Attributes:
        probed: A probe of the host was judged.
        modified_at: When something was last done to the host, or it was lost.
        needs: Stages that have something to do.
        proofs: Stages whose end proves that the host is in its desired state.
        refusal: Why nothing can be done.
        unreachable: No connection could be made.
        began: Stage -> when it last began.
        at_work: Stage -> what it is at; several stages may be at work.
        tested: Tests of the vendor's suite that this run has run on the present driver.
        proved: Release and number of an endpoint -> the last proof of it in this run.
    """

    report: HostReport = field(default_factory=lambda: HostReport(status="skipped"))
    probed: bool = False
    modified_at: float = 0.0
    needs: list[str] = field(default_factory=list)
    proofs: list[str] = field(default_factory=list)
    refusal: FailureRecord | None = None
    unreachable: bool = False
    began: dict[str, float] = field(default_factory=dict)
    at_work: dict[str, str] = field(default_factory=dict)
    transfers: list[Transfer] = field(default_factory=list)
    tested: set[str] = field(default_factory=set)
    proved: dict[tuple[str, str], events.EndpointProved] = field(default_factory=dict)

    def finish(self, report: Report) -> HostReport:
        """Return the host's report.

        Args:
            report: The report of the run; all of its events were applied.
        """
        host = self.report
        if report.dry:  # nothing was begun: a refusal is all that can be reported
            host.failure = host.failure or self.refusal
        if host.failure and host.failure.code in FAILURE_TABLE:
            host.failure = replace(host.failure, action=FAILURE_TABLE[host.failure.code].action)
        host.status = self._status(report)
        host.old = host.seen is not None and (
            self.modified_at > host.seen or host.now not in ("", STARTING)
        )
        host.stages.sort(key=lambda stage: stage.began or 0.0)
        host.ahead = self._prefetch_seconds()
        host.parts = critical_path.measure_parts(host.stages, self.transfers)
        host.endpoints = _merge_proofs(host.endpoints, self.proved)
        return host

    def apply(self, event: Event) -> None:
        """Apply an event of the host.

        Args:
            event: The next event.
        """
        match event:
            case events.HostQuarantined():
                self.report.quarantine = events.QuarantineRecord(
                    event.since, event.by, event.reason, event.code, event.included
                )
            case events.HostUnreachable():
                self.unreachable, self.modified_at = True, event.time
                self.report.failure = _failure(event)
            case events.FactsObserved():
                self._apply_observation(event)
            case events.StageStarted() | events.StepStarted() | events.StageDone():
                self._apply_progress(event)
            case events.HostFailed():
                self.report.failure = _failure(event)
                self._note_work("")
                if event.code in HOST_LOST_CODES:
                    self.modified_at = event.time
            case events.ConnectionLost():
                self.modified_at = event.time
            case events.LockReleased():
                if self.report.lock and self.report.lock.run == event.run:
                    self.report.lock = None
            case events.TransferDone():
                self._apply_transfer(event)
            case events.EndpointProved():
                self.proved[event.release, event.name] = event
            case events.ModelAnswered() | events.ValidationDone() | events.FileBackedUp():
                self._apply_result(event)
            case events.NoteAdded():
                if event.text not in self.report.notes:  # a rollout probes twice before it begins
                    self.report.notes.append(event.text)
            case _:
                self._apply_rollout_event(event)

    def _apply_observation(self, event: events.FactsObserved) -> None:
        host = self.report
        if isinstance(event, events.HostObserved):
            if not self.modified_at:  # the drift at the beginning, not that before a rollback
                host.drift = event.drift
            self.probed, self.needs, self.proofs = True, event.needs, event.proofs
            self.refusal = event.refusal
            host.answer = event.answer or host.answer
        host.cards, host.serials = event.cards, event.serials
        host.models, host.owners = event.models, event.owners
        host.versions, host.lock = dict(event.versions), event.lock
        host.endpoints = event.endpoints
        # results of this run count more than what a stamp on the host says
        host.validation = {
            **event.validation,
            **{test: host.validation[test] for test in self.tested},
        }
        # older journals have neither the time of the probe nor the releases that were asked for
        host.seen = event.time if event.seen is None else event.seen
        release = event.versions.get("release", "")
        host.wanted = str(release) if event.wanted is None else event.wanted

    def _apply_progress(
        self, event: events.StageStarted | events.StepStarted | events.StageDone
    ) -> None:
        host = self.report
        if isinstance(event, events.StageStarted):
            self.began[event.stage] = event.time
            self._note_work(event.stage, event.stage)
        elif isinstance(event, events.StepStarted):
            self.modified_at = event.time
            self._note_work(event.stage, f"{event.stage}: {event.title}")
        else:
            began = self.began.get(event.stage, event.time)
            host.stages.append(StageReport(began, event.stage, event.seconds, event.changes))
            self._note_work(event.stage)
            if event.seen is not None:
                host.seen = max(host.seen or 0.0, event.seen)
            else:  # an older journal has only this of later probes
                host.versions["driver"] = event.driver

    def _note_work(self, stage: str, work: str = "") -> None:
        """Note what a stage is at, or that it has ended; without a stage, that all have."""
        if work:
            self.at_work[stage] = work
        elif stage:
            self.at_work.pop(stage, None)
        else:
            self.at_work.clear()
        self.report.now = ", ".join(self.at_work.values())

    def _apply_transfer(self, event: events.TransferDone) -> None:
        self.report.sent += event.sent
        self.report.swarmed += event.swarmed
        self.report.reused += event.reused
        self.transfers.append(Transfer(event.stage, event.time - event.seconds, event.time))
        if event.found:
            self.report.notes.append(_describe_reuse(event))
        if event.fallback:
            self.report.notes.append(
                _(
                    "{title}: left the swarm ({reason}); the rest came by SSH",
                    title=event.title,
                    reason=event.fallback,
                )
            )

    def _apply_result(
        self, event: events.ModelAnswered | events.ValidationDone | events.FileBackedUp
    ) -> None:
        host = self.report
        if isinstance(event, events.FileBackedUp):
            host.kept.append(event.what)
        elif isinstance(event, events.ValidationDone):
            result = ValidationRecord(event.verdict, event.why, event.rates, event.where)
            host.validation[event.plugin] = result
            self.tested.add(event.plugin)
        elif event.of:
            others = f"{host.answer}; " if host.answer else ""
            host.answer = f"{others}{event.of}: {event.text}"
        else:
            host.answer = event.text

    def _apply_rollout_event(self, event: Event) -> None:
        host = self.report
        match event:
            case events.HostStarted():
                host.began, host.canary, host.now = event.time, event.canary, STARTING
            case events.HostDone():
                host.ended = event.time
                self._note_work("")
            case events.RollbackTargetFound():
                host.way_back = event.release
                if event.why:
                    host.notes.append(_("no release to roll back to: {reason}", reason=event.why))
            case events.RollbackStarted():
                host.rolled_back = {"from": host.wanted, "to": ""}
                self.tested.clear()  # on another driver
                self.proved.clear()  # of another release
            case events.HostRolledBack():
                origin = host.rolled_back["from"] if host.rolled_back else ""
                host.rolled_back = {"from": origin, "to": host.wanted}
            case events.HostVerified():
                self.needs = []
            case events.LeftOnHost():
                host.left = event.items
            case events.AuditLogSaved():
                host.audit_log = event.file

    def _prefetch_seconds(self) -> float:
        """Return the seconds of transfers before the stage began that needed the files."""
        begun = {stage.stage: stage.began or 0.0 for stage in self.report.stages}
        early = 0.0
        for transfer in self.transfers:
            needed = min(transfer.ended, begun.get(transfer.stage, transfer.ended))
            early += max(0.0, needed - transfer.began)
        return round(early, 2)

    def _status(self, report: Report) -> str:
        host, is_rollout = self.report, report.rollout is not None
        if host.is_left_out:
            return "skipped"
        if host.rolled_back and host.rolled_back["to"]:
            return "rolled back"
        if self.unreachable:
            return "unreachable"
        if host.failure:
            return "skipped" if host.failure.code in DEFERRED_CODES else "failed"
        if is_rollout and host.began is None and (self.needs or not self.probed):
            return "not started"
        done = {stage.stage for stage in host.stages}
        if not self.probed or (self.needs and not done.issuperset(self.proofs)):
            return "skipped"
        if not any(stage.changes for stage in host.stages):
            return "ok"
        return CHANGED_STATUSES.get(report.kind, "changed")


def _merge_proofs(
    seen: list[EndpointRecord], proved: dict[tuple[str, str], events.EndpointProved]
) -> list[EndpointRecord]:
    """Return the endpoints that a probe saw with this run's proofs, and those only proved."""
    merged = {(one.release, one.name): one for one in seen}
    for key, proof in proved.items():
        one = merged.get(key, EndpointRecord(release=proof.release, name=proof.name))
        merged[key] = replace(
            one,
            address=proof.address,
            model=proof.model,
            cards=proof.cards,
            ready_s=proof.ready_s if one.ready_s is None else one.ready_s,
            proved=proof.time,
            proved_from=proof.seen_from,
            controller_reason=proof.controller_reason,
            cold_first_token_s=proof.cold_first_token_s,
            first_token_s=proof.first_token_s,
            tokens_per_s=proof.tokens_per_s,
            answer=proof.answer,
        )
    return list(merged.values())


def _describe_reuse(event: events.TransferDone) -> str:
    """Return what was not sent, and the file or the folders that it lay in."""
    megabytes, shown = event.reused / 1e6, places.format_places(event.found, MAX_NAMED_FOLDERS)
    return _(
        "{title}: {size} MB were not sent, as they lay on the host: {places}",
        title=event.title,
        size=f"{megabytes:,.1f}",
        places=shown,
    )


def _failure(event: events.HostFailure) -> FailureRecord:
    code = canonical_code(event.code)  # an older version may have had another name for it
    return FailureRecord(event.stage, code, event.sentence, event.remedy, event.tail)
