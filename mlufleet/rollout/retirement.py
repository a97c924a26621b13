"""Gives hosts back, as a kind of rollout."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyinfra.api import Host
from typing_extensions import override

from fleet import quarantine
from fleet.errors import Failure, InvalidInput
from fleet.language import _
from mlufleet.journal.events import LeftRecord
from mlufleet.report.model import audit_file_name
from mlufleet.rollout.host_rollout import HostRollout
from mlufleet.rollout.plan import Plan
from mlufleet.rollout.session import Session
from operations import stages
from operations.host import lock
from operations.host.context import emit_event
from operations.host.failures import fail_host
from operations.retirement import retiring
from operations.retirement.model import RetirementOptions, RetirementPlan
from operations.stage import HostSpec
from operations.stages import Drift

#: step with which a retirement has removed everything; each retirement that does something has it
LAST_STEP = retiring.STEP_NAMES[-1]


class Retirement(HostRollout):
    """Removes from hosts what this tool made on them.

    A host that fails stays as it is, and the next retirement goes on from there.
    """

    passed_status = "retired"
    unverified_code = "NOT_RETIRED"

    def __init__(self, session: Session, plan: Plan) -> None:
        super().__init__(session, plan)
        self.options = RetirementOptions(plan.keep_weights, plan.driver, plan.engine)
        self.specs: dict[str, HostSpec] = {}

    @override
    def assess(self, host: Host) -> bool:
        probed = self.session.assess(host)
        if isinstance(probed.facts, Failure):
            return fail_host(host, probed.facts, stages.PROBE_STAGE)
        spec = self.specs[host.name] = HostSpec(probed.target, probed.options)
        found = retiring.assess(host, spec, self.options)
        drift: Drift = {"preflight": found} if isinstance(found, Failure) else {**found.drift}
        self.session.run.record_observation(host, spec, probed.facts, drift, [LAST_STEP])
        if isinstance(found, Failure):
            return fail_host(host, found, "preflight")
        _record_left(host, found)
        return bool(found)

    @override
    def apply(self, host: Host) -> None:
        name = audit_file_name(host.name)
        audit_log = self.session.run.folder / name
        with self.session.connected(host) as is_connected:
            if is_connected:
                self._retire(host, audit_log)
        if audit_log.is_file():
            emit_event(host, "audit-saved", file=name, size=audit_log.stat().st_size)
        if not self.session.run.has_failed(host.name):
            self.verify(host)
        if self.status(host) == self.passed_status:
            self._end_quarantine(host)

    def _end_quarantine(self, host: Host) -> None:
        """End the quarantine of a host that is given back; the mark would outlive it."""
        if host.name not in self.session.quarantined.marks:
            return
        path = quarantine.find_file(self.plan.inventory)
        try:
            quarantine.remove(path, [host.name])
            text = _("it is retired, and its quarantine has ended")
        except InvalidInput as error:
            text = _("its quarantine has not ended: {error}", error=error)
        emit_event(host, "note", text=text)

    def _retire(self, host: Host, audit_log: Path) -> None:
        """Retire a connected host under its lock."""
        if failure := stages.prepare_host(host):
            fail_host(host, failure, stages.PROBE_STAGE)
            return
        # pyinfra's types know an operation by its global arguments, not by its own
        acquire: Any = lock.acquired
        acquire(self.session.run.owner, name="Lock")
        retiring.retire_host(self.specs[host.name], self.options, audit_log)

    @override
    def find_drift(self, host: Host) -> Drift:
        probed = self.session.assess(host)
        if isinstance(probed.facts, Failure):
            return {stages.PROBE_STAGE: probed.facts}
        found = retiring.assess(host, self.specs[host.name], self.options)
        if isinstance(found, Failure):
            return {stages.PROBE_STAGE: found}
        _record_left(host, found)
        return {**found.drift}


def _record_left(host: Host, plan: RetirementPlan) -> None:
    """Record what stays on a host."""
    left = [LeftRecord(item.what, item.reason, item.remedy) for item in plan.left]
    emit_event(host, "left", items=[asdict(item) for item in left])
