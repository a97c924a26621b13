"""Observe, decide, act, prove: how every stage carries a host to what it should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api import Host, operation
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State, StateStage
from typing_extensions import override

from fleet import module_key
from fleet.errors import Failure
from fleet.module_key import Signing
from fleet.release.target import Wanted
from fleet.vendor.validation_suite import GOLDEN
from operations.host import events, settings
from operations.host.facts import HostState
from operations.host.failures import alone, fail
from operations.host.probe import forget, observe, real


@dataclass(frozen=True)
class Options:
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
    golden: str = GOLDEN

    @classmethod
    def of(cls, host: Host) -> Options:
        return settings.of(cls, host)

    @property
    def signing(self) -> Signing | None:
        """What kernel modules are signed with, where the site says."""
        return module_key.of(vars(self))


#: what is still to do, in words; or why the host cannot be carried further
Decision = Failure | list[str]


class Refusal(PyinfraCommand):
    """Fails one host for a reason that was found before anything was done to it."""

    def __init__(self, failure: Failure, stage: str) -> None:
        super().__init__()
        self.failure, self.stage = failure, stage

    @override
    def __repr__(self) -> str:
        return f"Refusal({self.failure.code}: {self.failure.sentence})"

    @override
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        return fail(host, self.failure, self.stage)


class Proof(PyinfraCommand):
    """Observes again: nothing may be left to do."""

    def __init__(self, stage: Stage, wanted: Wanted, options: Options) -> None:
        super().__init__()
        self.stage, self.wanted, self.options = stage, wanted, options

    @override
    def __repr__(self) -> str:
        return f"Proof({self.stage.name})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        forget(host)
        seen, label = observe(host, self.wanted), self.stage.label(self.wanted)
        if isinstance(seen, Failure):
            return fail(host, seen, label)
        left = self.stage.decide(self.wanted, seen, self.options)
        if isinstance(left, Failure):
            return fail(host, left, label)
        if left:
            return fail(host, Failure(self.stage.unproved, "; ".join(left)), label)
        return True


#: what pyinfra wants an operation to return
Body = Generator[Any, None, None]
Decide = Callable[[Wanted, HostState, Options], Decision]
Act = Callable[[Wanted, HostState, Options], Iterator[PyinfraCommand]]


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
    unproved: str = "NOT_PROVED"
    shared: bool = False

    def label(self, wanted: Wanted) -> str:
        """Its name, with the release's where the host has several: "image of chatglm3-6b"."""
        return self.name if self.shared else wanted.titled(self.name)

    def carry(self, wanted: Wanted, options: Options) -> Body:
        """The body of the stage's operation."""
        host = real(context_host)
        label = self.label(wanted)
        executing = host.state.current_stage == StateStage.Execute
        started = time.monotonic()
        if executing:
            events.emit(host.name, "stage", stage=label)
        state = observe(host, wanted)
        if isinstance(state, Failure):
            yield from _refuse(host, label, state)
            return
        decision = self.decide(wanted, state, options)
        if isinstance(decision, Failure):
            yield from _refuse(host, label, decision)
            return
        if decision:
            verb = "" if executing else "would: "
            logger.info(f"{host.print_prefix}{label}: {verb}{'; '.join(decision)}")
            try:
                for command in self.act(wanted, state, options):
                    command.stage, command.wanted = label, wanted  # type: ignore[attr-defined]
                    yield command
            except Unseen as unseen:
                yield Refusal(unseen.failure, label)
                return
            # asked once on demand, the proof looks at what that left behind
            yield Proof(self, wanted, replace(options, smoke="auto", validation_again=False))
        else:
            host.noop(f"{label} is as the release says")
        if executing:
            seconds = round(time.monotonic() - started, 2)
            after = observe(host, wanted)
            if isinstance(after, Failure):
                yield Refusal(after, label)
                return
            events.emit(
                host.name,
                "stage-done",
                stage=label,
                changes=decision,
                seconds=seconds,
                seen=round(after.seen, 3),
            )


def _refuse(host: Host, stage: str, failure: Failure) -> Body:
    if host.state.current_stage != StateStage.Execute:
        logger.warning(f"{host.print_prefix}{failure.code}: {failure.sentence}")
    yield Refusal(failure, stage)


@operation()
def refused(stage: str, failure: Failure) -> Body:
    """The host fails with what was found before anything was done to it."""
    yield from _refuse(real(context_host), stage, failure)


class Unseen(Exception):
    """A host that could not be looked at in the middle of an act; :meth:`Stage.carry` fails it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


def again(wanted: Wanted) -> HostState:
    """The host's state in the middle of an act.

    :raises Unseen: it cannot be seen: what goes on from nothing would plan for a host without a
        kernel
    """
    state = observe(context_host, wanted)
    if isinstance(state, Failure):
        raise Unseen(state)
    return state
