"""The docker engine: new enough, running, and there after a reboot."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet import systems
from fleet.failures import Failure
from fleet.wanted import Wanted
from operations import layout
from operations.stage import Body, Decision, Options, Stage
from operations.state import HostState
from operations.step import Step
from operations.transfer import Upload


def version(text: str) -> tuple[int, ...]:
    """ "19.03.15-ce" -> (19, 3, 15)."""
    return tuple(int(number) for number in re.findall(r"[0-9]{1,9}", text)[:3])


def absent(state: HostState) -> bool:
    """No engine is installed; a client alone, or one whose daemon was removed, is none."""
    return not state.engine and not {"docker", "dockerd"} <= state.tools


def unanswered(wanted: Wanted, state: HostState) -> Failure | None:
    """Something of docker's that is asked for in vain: it must not be taken for missing."""
    names = {"image": wanted.release.image.reference, "container": wanted.release.container.name}
    said = [f"{kind} {name}" for kind, name in names.items() if kind in state.silent]
    return Failure("ENGINE", f"docker does not answer for {' and '.join(said)}") if said else None


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    minimum = wanted.release.engine.minimum
    todo = []
    if absent(state):
        todo.append("install docker")
    elif not state.engine:
        todo.append("start docker")
    elif version(state.engine) < version(minimum):
        todo.append(f"upgrade docker {state.engine} to at least {minimum}")
    if state.engine and not state.engine_enabled:
        todo.append("enable docker at boot")
    return todo or unanswered(wanted, state) or []


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    engine = wanted.release.engine
    old = bool(state.engine) and version(state.engine) < version(engine.minimum)
    if not (old or absent(state)):
        yield Step("starting docker", "engine", "start", code="ENGINE", uses="packages")
        return
    folder = systems.said(engine.packages, state.os, state.os_version)
    files = [
        (wanted.store / folder / name, f"{layout.STATE}/artifacts/{folder}/{name}", locked.sha256)
        for name, locked in wanted.lock.under(folder).items()
    ] if folder else []  # fmt: skip
    if files:
        yield Upload("docker packages", files)
    system = systems.find(state.os, state.os_version)
    names = system.docker if system else ()
    words = ("install", *(dest for _, dest, _ in files)) if files else ("repository", *names)
    yield Step("installing docker", "engine", *words,
               code="ENGINE", timeout=1800, uses="packages")  # fmt: skip


STAGE = Stage("engine", decide, act, "ENGINE", shared=True)


@operation()
def running(wanted: Wanted, options: Options) -> Body:
    """Docker answers, is enabled, and is at least the release's minimum."""
    yield from STAGE.carry(wanted, options)
