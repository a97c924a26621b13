"""The docker engine: new enough, running, and there after a reboot."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.wanted import Wanted
from operations.stage import Body, Decision, Options, Stage
from operations.state import HostState
from operations.step import Step


def version(text: str) -> tuple[int, ...]:
    """ "19.03.15-ce" -> (19, 3, 15)."""
    return tuple(int(number) for number in re.findall(r"[0-9]{1,9}", text)[:3])


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    minimum = wanted.release.engine.minimum
    todo = []
    if "docker" not in state.tools:
        todo.append("install docker")
    elif not state.engine:
        todo.append("start docker")
    elif version(state.engine) < version(minimum):
        todo.append(f"upgrade docker {state.engine} to at least {minimum}")
    if state.engine and not state.engine_enabled:
        todo.append("enable docker at boot")
    return todo


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    install = "docker" not in state.tools or (
        bool(state.engine) and version(state.engine) < version(wanted.release.engine.minimum)
    )
    yield Step("docker engine", "engine", "install" if install else "start", code="ENGINE")


STAGE = Stage("engine", decide, act, "ENGINE")


@operation()
def running(wanted: Wanted, options: Options) -> Body:
    """Docker answers, is enabled, and is at least the release's minimum."""
    yield from STAGE.carry(wanted, options)
