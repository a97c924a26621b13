"""Observe, decide, act, prove: how every stage carries a host to what it should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api import Host, operation
from pyinfra.api.state import StateStage
from typing_extensions import override

from fleet import module_key
from fleet.errors import Failure
from fleet.module_key import ModuleKey
from fleet.release.target import ReleaseTarget
from fleet.vendor.validation_suite import DEFAULT_BASELINE_FILE
from operations.host import settings
from operations.host.command import HostCommand
from operations.host.context import emit_event
from operations.host.facts import HostFacts
from operations.host.probe import invalidate_facts, probe_host, unwrap_host


@dataclass(frozen=True)
class HostOptions:
    """What the inventory allows on one host."""

    cards: int | None = None
    evict: bool = False
    keep_dirty: bool = False
    smoke: str = "auto"
    #: seconds that foreign jobs on the cards are waited for before a driver change
    busy_timeout: int = 0
    #: seconds
    reboot_timeout: int = 900
    #: seconds that another package manager is waited for
    lock_timeout: int = 300
    #: files of the site's key for kernel modules
    signing_key: str = ""
    signing_certificate: str = ""
    #: level up to which the host is validated; 2 is what every smoke test does
    validation: int = 2
    validation_destructive: bool = False
    validation_again: bool = False
    #: file with the site's own tests; "" for files/validation.yml
    validation_tests: str = ""
    #: file with what good cards do
    golden: str = DEFAULT_BASELINE_FILE

    @classmethod
    def from_host(cls, host: Host) -> HostOptions:
        return settings.from_host_data(cls, host)

    @property
    def signing(self) -> ModuleKey | None:
        """What kernel modules are signed with, where the site says."""
        return module_key.load_host_key(vars(self))


#: what is still to do, in words; or why the host cannot be carried further
Decision = Failure | list[str]


class FailHost(HostCommand):
    """Fails a host for a reason that was found before anything was done to it."""

    runs_while_stopping = True

    def __init__(self, failure: Failure, stage: str) -> None:
        """Prepare the command.

        Args:
            failure: why the host fails
            stage: label of the stage that found it
        """
        super().__init__(f"{failure.code}: {failure.sentence}", stage)
        self.failure = failure

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        return self.failure


class Verify(HostCommand):
    """Probes a host again after a stage: nothing may be left to do."""

    def __init__(self, stage: Stage, target: ReleaseTarget, options: HostOptions) -> None:
        """Prepare the command.

        Args:
            stage: the stage that ended
            target: the release that it worked for
            options: of the host
        """
        super().__init__(stage.name, stage.label(target))
        self.target: ReleaseTarget = target
        self.decide, self.unverified_code = stage.decide, stage.unverified_code
        self.options = options

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        invalidate_facts(host)
        facts = probe_host(host, self.target)
        if isinstance(facts, Failure):
            return facts
        left = self.decide(self.target, facts, self.options)
        if isinstance(left, Failure):
            return left
        return Failure(self.unverified_code, "; ".join(left)) if left else None


#: what pyinfra wants an operation to return
OperationCommands = Generator[Any, None, None]
Decide = Callable[[ReleaseTarget, HostFacts, HostOptions], Decision]
Act = Callable[[ReleaseTarget, HostFacts, HostOptions], Iterator[HostCommand]]


@dataclass(frozen=True)
class Stage:
    """One resource of a host.

    :param decide: what is missing; a plain function of release and host
    :param act: the commands that bring it, evaluated lazily: between two it may observe again
    :param unproved: failure code if something is still missing afterwards
    :param shared: what it is about is the host's, whichever of its releases asks for it
    """

    name: str
    decide: Decide
    act: Act
    unverified_code: str = "NOT_PROVED"
    host_wide: bool = False

    def label(self, target: ReleaseTarget) -> str:
        """Its name, with the release's where the host has several: "image of chatglm3-6b"."""
        return self.name if self.host_wide else target.qualify(self.name)

    def converge(self, target: ReleaseTarget, options: HostOptions) -> OperationCommands:
        """The body of the stage's operation."""
        host = unwrap_host(context_host)
        label = self.label(target)
        executing = host.state.current_stage == StateStage.Execute
        started = time.monotonic()
        if executing:
            emit_event(host, "stage", stage=label)
        state = probe_host(host, target)
        if isinstance(state, Failure):
            yield from _fail_host(host, label, state)
            return
        decision = self.decide(target, state, options)
        if isinstance(decision, Failure):
            yield from _fail_host(host, label, decision)
            return
        if decision:
            verb = "" if executing else "would: "
            logger.info(f"{host.print_prefix}{label}: {verb}{'; '.join(decision)}")
            try:
                for command in self.act(target, state, options):
                    command.assign(label, target)
                    yield command
            except ReprobeFailed as unseen:
                yield FailHost(unseen.failure, label)
                return
            # asked once on demand, the proof looks at what that left behind
            yield Verify(self, target, replace(options, smoke="auto", validation_again=False))
        else:
            host.noop(f"{label} is as the release says")
        if executing:
            seconds = round(time.monotonic() - started, 2)
            after = probe_host(host, target)
            if isinstance(after, Failure):
                yield FailHost(after, label)
                return
            emit_event(
                host,
                "stage-done",
                stage=label,
                changes=decision,
                seconds=seconds,
                seen=round(after.observed_at, 3),
            )


def _fail_host(host: Host, stage: str, failure: Failure) -> OperationCommands:
    if host.state.current_stage != StateStage.Execute:
        logger.warning(f"{host.print_prefix}{failure.code}: {failure.sentence}")
    yield FailHost(failure, stage)


@operation()
def refused(stage: str, failure: Failure) -> OperationCommands:
    """The host fails with what was found before anything was done to it."""
    yield from _fail_host(unwrap_host(context_host), stage, failure)


class ReprobeFailed(Exception):
    """A host that could not be looked at in the middle of an act; :meth:`Stage.carry` fails it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


def reprobe(target: ReleaseTarget) -> HostFacts:
    """The host's state in the middle of an act.

    :raises Unseen: it cannot be seen: what goes on from nothing would plan for a host without a
        kernel
    """
    state = probe_host(context_host, target)
    if isinstance(state, Failure):
        raise ReprobeFailed(state)
    return state
