"""Observe, decide, act, prove: how every stage carries a host to what it should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

from paramiko import SSHException
from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api import Host, StringCommand
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State, StateStage
from pyinfra.connectors.util import CommandOutput
from typing_extensions import override

from fleet.failures import TABLE, Failure
from fleet.wanted import Wanted
from operations import events
from operations.observe import forget, observe, real
from operations.state import HostState

TAIL = 20


@dataclass(frozen=True)
class Options:
    """What the inventory allows on one host."""

    cards: int | None = None
    evict: bool = False
    keep_dirty: bool = False
    smoke: str = "auto"
    #: seconds
    reboot_timeout: int = 900

    @classmethod
    def of(cls, host: Host) -> Options:
        names = cls.__dataclass_fields__
        said = {name: host.data.get(name) for name in names}
        return cls(**{name: value for name, value in said.items() if value is not None})


#: what is still to do, in words; or why the host cannot be carried further
Decision = Failure | list[str]


def fail(host: Host, failure: Failure, stage: str = "") -> bool:
    """Name a host's failure with its remedy, to the operator and the journal."""
    logger.error(f"{host.print_prefix}{failure.code}: {failure.sentence}")
    logger.error(f"{host.print_prefix}  remedy: {failure.remedy}")
    events.emit(
        host.name, "failed", stage=stage, code=failure.code, sentence=failure.sentence,
        remedy=failure.remedy, tail=list(failure.tail),
    )  # fmt: skip
    return False


Execute = Callable[..., bool]


def alone(execute: Execute) -> Execute:
    """An exception that leaves a command would end the run of every host: it fails this one."""

    @wraps(execute)
    def guarded(self: Any, state: State, host: Host, connector_arguments: Any) -> bool:
        try:
            return execute(self, state, host, connector_arguments)
        except (OSError, EOFError, SSHException) as error:
            return fail(host, Failure("CONNECTION_LOST", f"{self!r}: {error}"))
        except Exception as error:
            return fail(host, Failure("INTERNAL", f"{self!r}: {type(error).__name__}: {error}"))

    return guarded


class Step(StringCommand):
    """A remote command with a title, whose failure has a code."""

    def __init__(self, title: str, command: StringCommand, code: str, stdin: str = "") -> None:
        super().__init__(*command.bits)
        self.title, self.code, self.stdin = title, code, stdin

    @override
    def execute(self, state: State, host: Host, connector_arguments: Any) -> Any:
        logger.info(f"{host.print_prefix}{self.title}")
        if self.stdin:
            connector_arguments["_stdin"] = self.stdin
        forget(host)
        try:
            status, output = super().execute(state, host, connector_arguments)
        except (OSError, EOFError, SSHException) as error:
            fail(host, Failure("CONNECTION_LOST", f"{self.title}: {error}"))
            return False, CommandOutput([])
        for line in output.stdout_lines:
            if line.startswith("kept what was "):
                logger.warning(f"{host.print_prefix}{line}")
                events.emit(host.name, "kept", what=line)
            elif line.startswith("@@answer "):
                events.emit(host.name, "answer", text=line.removeprefix("@@answer "))
        if not status:
            lines = [line for line in output.output_lines if line.strip()][-TAIL:]
            code = self.code
            for line in lines:  # a script that knows better says so itself
                if line.startswith("@@code ") and line.split()[-1] in TABLE:
                    code = line.split()[-1]
            lines = [line for line in lines if not line.startswith("@@")]
            fail(host, Failure(code, f"{self.title}: {lines[-1] if lines else 'no output'}",
                               tuple(lines)))  # fmt: skip
        return status, output


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
        seen = observe(host, self.wanted)
        if seen is None:
            return fail(host, Failure("PROBE_FAILED"), self.stage.name)
        left = self.stage.decide(self.wanted, seen, self.options)
        if isinstance(left, Failure):
            return fail(host, left, self.stage.name)
        if left:
            return fail(host, Failure(self.stage.unproved, "; ".join(left)), self.stage.name)
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
    """

    name: str
    decide: Decide
    act: Act
    unproved: str = "NOT_PROVED"

    def carry(self, wanted: Wanted, options: Options) -> Body:
        """The body of the stage's operation."""
        host = real(context_host)
        executing = host.state.current_stage == StateStage.Execute
        started = time.monotonic()
        if executing:
            events.emit(host.name, "stage", stage=self.name)
        state = observe(host, wanted)
        if state is None:
            yield Refusal(Failure("PROBE_FAILED"), self.name)
            return
        decision = self.decide(wanted, state, options)
        if isinstance(decision, Failure):
            if not executing:
                logger.warning(f"{host.print_prefix}{decision.code}: {decision.sentence}")
            yield Refusal(decision, self.name)
            return
        if decision:
            verb = "" if executing else "would: "
            logger.info(f"{host.print_prefix}{self.name}: {verb}{'; '.join(decision)}")
            yield from self.act(wanted, state, options)
            # asked once on demand, the proof looks at what that left behind
            yield Proof(self, wanted, replace(options, smoke="auto"))
        else:
            host.noop(f"{self.name} is as the release says")
        if executing:
            seconds = round(time.monotonic() - started, 2)
            after = observe(host, wanted) or state
            events.emit(
                host.name, "stage-done", stage=self.name, changes=decision, seconds=seconds,
                driver=after.loaded,
            )  # fmt: skip


def again(wanted: Wanted) -> HostState:
    """The host's state in the middle of an act.

    :raises ProbeError: it cannot be observed any more
    """
    state = observe(context_host, wanted)
    return state if state is not None else HostState()
