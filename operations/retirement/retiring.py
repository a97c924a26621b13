"""Gives a host back: removes what this tool made on it, step by step, and verifies each step."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api import Host, operation
from pyinfra.api.state import StateStage
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
from fleet.text.word_lists import join_clauses
from operations import card_users
from operations.host.command import HostCommand
from operations.host.context import emit_event
from operations.host.probe import invalidate_facts, probe_host, unwrap_host
from operations.retirement.audit_log import FetchAuditLog
from operations.retirement.decisions import STATE_STEP, STEPS, decide
from operations.retirement.model import RetirementOptions, RetirementPlan, StepPlan
from operations.retirement.traces import find_traces, list_expected
from operations.stage import FailHost, HostSpec, OperationCommands

#: names of the steps, in the order in which they run
STEP_NAMES = (*(step.name for step in STEPS), STATE_STEP)


def assess(host: Any, spec: HostSpec, options: RetirementOptions) -> RetirementPlan | Failure:
    """Look at a host and decide what a retirement would remove; nothing is removed.

    Args:
        host: A host that was just connected to and prepared, or pyinfra's proxy of it.
        spec: Its releases, and what may be done to it.
        options: What the operator allows.

    Returns:
        The plan, which is false if nothing is left to do; or why the host cannot be retired.
    """
    host = unwrap_host(host)
    if options.driver:
        facts = probe_host(host, spec.target)
        if isinstance(facts, Failure):
            return facts
        if others := card_users.list_others(facts):
            return Failure("CARD_BUSY", card_users.format_users(others))
    traces = find_traces(host, spec.target, options)
    if isinstance(traces, Failure):
        return traces
    return decide(traces, options, list_expected(spec.target))


class VerifyStep(HostCommand):
    """Looks at the host again, and fails it if a step still has something to do."""

    def __init__(self, step: str, look: Callable[[Host], RetirementPlan | Failure]) -> None:
        """Prepare the verification.

        Args:
            step: Name of the step, whose commands have run.
            look: Looks at the host.
        """
        super().__init__(step, step)
        self.look = look

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        plan = self.look(host)
        if isinstance(plan, Failure):
            return plan
        found = plan.find_step(self.stage)
        return Failure("NOT_RETIRED", join_clauses(found.words)) if found else None


@operation()
def removed(spec: HostSpec, options: RetirementOptions, step: str) -> OperationCommands:
    """Carry out one step of a retirement, and verify it by looking again.

    Args:
        spec: The releases of the host, and what may be done to it.
        options: What the operator allows.
        step: Its name, one of :data:`STEP_NAMES` but the last.
    """
    host, started = unwrap_host(context_host), time.monotonic()
    plan = assess(host, spec, options)
    if isinstance(plan, Failure):
        yield FailHost(plan, step)
        return
    found = plan.find_step(step)
    if found is None:
        host.noop(_("nothing is left of the step {step}", step=step))
        return
    _announce(host, step, found)
    for command in found.commands():
        command.stage = step
        yield command
    yield VerifyStep(step, lambda host: assess(host, spec, options))
    _report_done(host, step, found, started)


@operation()
def state_removed(spec: HostSpec, options: RetirementOptions, audit_log: Path) -> OperationCommands:
    """Bring the audit log to the controller, then remove the state folder with the run's lock.

    Args:
        spec: The releases of the host, and what may be done to it.
        options: What the operator allows.
        audit_log: File of the controller that the host's audit log is written to.
    """
    host, started = unwrap_host(context_host), time.monotonic()
    plan = assess(host, spec, options)
    if isinstance(plan, Failure):
        yield FailHost(plan, STATE_STEP)
        return
    found = plan.find_step(STATE_STEP)
    if found is None:
        host.noop(_("no state is left"))
        return
    # without the record, nobody would know of these
    if others := [words for step in plan.steps if step != found for words in step.words]:
        yield FailHost(Failure("NOT_RETIRED", join_clauses(others)), STATE_STEP)
        return
    _announce(host, STATE_STEP, found)
    yield FetchAuditLog(audit_log)
    yield from found.commands()
    yield VerifyStep(STATE_STEP, lambda host: assess(host, spec, options))
    _report_done(host, STATE_STEP, found, started)


def retire_host(spec: HostSpec, options: RetirementOptions, audit_log: Path) -> None:
    """Retire the current host. The run holds its lock, which ends with the last step.

    Args:
        spec: The releases of the host, and what may be done to it.
        options: What the operator allows.
        audit_log: File of the controller that the host's audit log is written to.
    """
    # pyinfra's types know an operation by its global arguments, not by its own
    remove: Any = removed
    remove_state: Any = state_removed
    for step in STEPS:
        remove(spec, options, step.name, name=_("Retire {step}", step=step.name))
    remove_state(spec, options, audit_log, name=_("Retire the state"))


def _announce(host: Host, step: str, plan: StepPlan) -> None:
    executing = host.state.current_stage == StateStage.Execute
    if executing:
        emit_event(host, "stage", stage=step)
    words = join_clauses(plan.words)
    said = words if executing else _("would: {words}", words=words)
    logger.info(f"{host.print_prefix}{step}: {said}")


def _report_done(host: Host, step: str, plan: StepPlan, started: float) -> None:
    if host.state.current_stage == StateStage.Execute:
        invalidate_facts(host)
        emit_event(
            host,
            "stage-done",
            stage=step,
            changes=list(plan.words),
            seconds=round(time.monotonic() - started, 2),
            seen=round(time.time(), 3),
        )
