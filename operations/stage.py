"""Decide, act, verify: how a stage brings a host to its desired state."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any

from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api import Host, operation
from pyinfra.api.state import StateStage
from typing_extensions import override

from fleet import module_key
from fleet.errors import Failure
from fleet.language import _
from fleet.module_key import ModuleKey
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.text.word_lists import join_clauses
from fleet.vendor.validation_suite import DEFAULT_BASELINE_FILE
from operations.host import settings
from operations.host.command import HostCommand
from operations.host.context import emit_event
from operations.host.facts import HostFacts
from operations.host.probe import invalidate_facts, probe_host, unwrap_host


@dataclass(frozen=True)
class HostOptions:
    """What the inventory allows on one host; every field is a key of its data."""

    cards: int | None = None
    evict: bool = False
    keep_dirty: bool = False
    #: whether what somebody else made may be taken over where it is what the release asks for
    adopt: bool = False
    #: containers of others that may be stopped
    stop: tuple[str, ...] = ()
    #: "always" asks the model again, "record" only places the host's verdict anew
    smoke: str = "auto"
    #: seconds to wait for other jobs to leave the cards before a driver change
    busy_timeout: int = 0
    #: seconds within which a rebooted host has to answer
    reboot_timeout: int = 900
    #: boot id that is to end by a reboot; `mlufleet host reboot` sets it, no inventory
    reboot_from: str = ""
    #: seconds to wait for another package manager to finish
    lock_timeout: int = 300
    #: files of the key pair that kernel modules are signed with
    signing_key: str = ""
    signing_certificate: str = ""
    #: where images come from: "archive", "registry", or "auto" for the one that the host reaches
    image_source: str = "auto"
    #: files with the login and the CA of the site's registry
    registry_login: str = ""
    registry_ca: str = ""
    #: registries that docker may use without TLS
    insecure_registries: tuple[str, ...] = ()
    #: level up to which the host is validated; 2 is part of every smoke test
    validation: int = 2
    validation_destructive: bool = False
    validation_again: bool = False
    #: file with the site's own tests; "" for files/validation.yml
    validation_tests: str = ""
    #: file with the results of good cards
    golden: str = DEFAULT_BASELINE_FILE

    @classmethod
    def from_host(cls, host: Host) -> HostOptions:
        """Read the options from a host's inventory data.

        Args:
            host: The host; its data has been validated when the inventory was read.
        """
        return settings.from_host_data(cls, host)

    @property
    def signing(self) -> ModuleKey | None:
        """The key pair for kernel modules, or None if the inventory names none."""
        return module_key.load_host_key(vars(self))


@dataclass(frozen=True)
class HostSpec:
    """The desired state of one host, and what may be done to reach it."""

    target: HostTarget
    options: HostOptions


#: probes the host again in the middle of an action
Reprobe = Callable[[], HostFacts]


#: kinds of changes: what the watch knows them by, whatever the language of their words
LOAD_DRIVER, MAKE_NODES = "load-driver", "make-nodes"
AWAIT_ENGINE = "await-engine"
START_CONTAINER, RESTART_CONTAINER = "start-container", "restart-container"


@dataclass(frozen=True)
class Action:
    """A change that a host needs: what the operator reads, and the commands that make it.

    Attributes:
        words: One or more short phrases, such as "place weights chatglm".
        commands: Gives the commands one by one, when the action runs. Its argument probes the
            host again, for commands that depend on the result of earlier ones.
        kinds: The kind of each phrase, in their order; "" for one that only people tell apart.
            Empty if all are of that sort.
    """

    words: tuple[str, ...]
    commands: Callable[[Reprobe], Iterable[HostCommand]]
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All actions of one stage, in order; empty if the host is in its desired state."""

    actions: tuple[Action, ...] = ()

    @property
    def words(self) -> list[str]:
        """What is to be done, as the operator and the journal read it."""
        return [phrase for action in self.actions for phrase in action.words]

    @property
    def kinds(self) -> list[str]:
        """The kind of each of the words, in their order; "" for none."""
        return [
            kind for action in self.actions for kind in (action.kinds or ("",) * len(action.words))
        ]

    def __bool__(self) -> bool:
        return bool(self.actions)


#: what a stage has to do, or why the host cannot reach its desired state
Decision = Plan | Failure
#: what pyinfra expects of an operation
OperationCommands = Generator[Any, None, None]


class FailHost(HostCommand):
    """Fails one host for a reason that is known before anything is run on it."""

    runs_while_stopping = True

    def __init__(self, failure: Failure, stage: str = "") -> None:
        """Prepare the failure.

        Args:
            failure: Why the host fails.
            stage: Label of the stage; an action's stage sets its own.
        """
        super().__init__(f"{failure.code}: {failure.sentence}", stage)
        self.failure = failure

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        return self.failure


class Verify(HostCommand):
    """Probes the host again and fails it if its stage still has something to do."""

    def __init__(self, stage: BoundStage, spec: HostSpec) -> None:
        """Prepare the verification.

        Args:
            stage: The stage, whose actions have run.
            spec: The desired state of the host.
        """
        super().__init__(stage.label, stage.label)
        self.bound, self.spec = stage, spec

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        invalidate_facts(host)
        facts = probe_host(host, self.spec.target)
        decision = facts if isinstance(facts, Failure) else self.bound.decide(self.spec, facts)
        if isinstance(decision, Failure):
            return decision
        if decision:
            return Failure(self.bound.unverified_code, join_clauses(decision.words))
        return None


class ReprobeFailed(Exception):
    """The host could not be probed while its stage ran."""

    def __init__(self, failure: Failure) -> None:
        """Keep the failure for the stage.

        Args:
            failure: Why there are no facts.
        """
        super().__init__(failure.sentence)
        self.failure = failure


@dataclass(frozen=True)
class BoundStage:
    """A stage together with the host or the release that it is about.

    Attributes:
        label: The stage's name, with the release's name if the host has several.
        decide: Compares the desired state with the facts of the host.
        release: The release whose stamps the stage's commands read and write.
        unverified_code: Failure code if something is still to be done after all actions.
    """

    label: str
    decide: Callable[[HostSpec, HostFacts], Decision]
    release: ReleaseTarget
    unverified_code: str

    def converge(self, spec: HostSpec) -> OperationCommands:
        """Yield the commands that bring the current host to its desired state.

        Args:
            spec: The desired state of the host.
        """
        host, started = unwrap_host(context_host), time.monotonic()
        executing = host.state.current_stage == StateStage.Execute
        if executing:
            emit_event(host, "stage", stage=self.label)
        facts = probe_host(host, spec.target)
        decision = facts if isinstance(facts, Failure) else self.decide(spec, facts)
        if isinstance(decision, Failure):
            yield from _fail_host(host, self.label, decision)
            return
        try:
            if decision:
                words = join_clauses(decision.words)
                said = words if executing else _("would: {words}", words=words)
                logger.info(f"{host.print_prefix}{self.label}: {said}")
                yield from self._run_actions(decision, lambda: _reprobe(host, spec))
                # "once more" has been done by now; only what is left counts
                once = replace(spec.options, smoke="auto", validation_again=False)
                yield Verify(self, HostSpec(spec.target, once))
            else:
                host.noop(_("{label} is as the release says", label=self.label))
            if executing:
                self._report_done(host, decision, started, _reprobe(host, spec))
        except ReprobeFailed as error:
            yield FailHost(error.failure, self.label)

    def _run_actions(self, plan: Plan, reprobe: Reprobe) -> OperationCommands:
        for action in plan.actions:
            for command in action.commands(reprobe):
                command.assign(self.label, self.release)
                yield command

    def _report_done(self, host: Host, plan: Plan, started: float, after: HostFacts) -> None:
        emit_event(
            host,
            "stage-done",
            stage=self.label,
            changes=plan.words,
            seconds=round(time.monotonic() - started, 2),
            seen=round(after.observed_at, 3),
        )


def _reprobe(host: Host, spec: HostSpec) -> HostFacts:
    facts = probe_host(host, spec.target)
    if isinstance(facts, Failure):
        raise ReprobeFailed(facts)
    return facts


@dataclass(frozen=True)
class HostStage:
    """A stage about the host as a whole, whichever releases it has.

    Attributes:
        name: The stage's name in reports, journals and on the terminal.
        decide: Compares desired state and facts; a function without side effects.
        unverified_code: Failure code if something is still to be done after all actions.
    """

    name: str
    decide: Callable[[HostSpec, HostFacts], Decision]
    unverified_code: str = "NOT_PROVED"

    def bind(self, target: HostTarget) -> BoundStage:
        """Return the stage of one host.

        Args:
            target: The desired state of the host. Stamps of the host as a whole lie with those
                of its first release.
        """
        return BoundStage(self.name, self.decide, target.primary, self.unverified_code)


@dataclass(frozen=True)
class ReleaseStage:
    """A stage about one release of a host.

    Attributes:
        name: The stage's name in reports, journals and on the terminal.
        decide: Compares desired state and facts; a function without side effects.
        unverified_code: Failure code if something is still to be done after all actions.
    """

    name: str
    decide: Callable[[HostSpec, ReleaseTarget, HostFacts], Decision]
    unverified_code: str = "NOT_PROVED"

    def label(self, release: ReleaseTarget) -> str:
        """Return the name, with the release's if the host has several: "image of chatglm3-6b".

        Args:
            release: The release that the stage is about.
        """
        return release.qualify(self.name)

    def bind(self, release: ReleaseTarget) -> BoundStage:
        """Return the stage of one release.

        Args:
            release: The release, one of the host's.
        """

        def decide(spec: HostSpec, facts: HostFacts) -> Decision:
            return self.decide(spec, release, facts)

        return BoundStage(self.label(release), decide, release, self.unverified_code)


def _fail_host(host: Host, stage: str, failure: Failure) -> OperationCommands:
    if host.state.current_stage != StateStage.Execute:
        logger.warning(f"{host.print_prefix}{failure.code}: {failure.sentence}")
    yield FailHost(failure, stage)


@operation()
def refused(stage: str, failure: Failure) -> OperationCommands:
    """Fail the host with what was found before anything was done to it.

    Args:
        stage: Label of the stage that cannot go on.
        failure: Why.
    """
    yield from _fail_host(unwrap_host(context_host), stage, failure)
