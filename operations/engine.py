"""The docker engine: new enough, running, and there after a reboot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.errors import Failure
from fleet.release import host_paths, operating_systems
from fleet.release.target import Wanted
from operations import driver_package
from operations.host.facts import HostState
from operations.host.job import Step
from operations.stage import Body, Decision, Options, Stage
from operations.transfer.upload import Upload


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


def old(wanted: Wanted, state: HostState) -> bool:
    """One that was built without a number ("dev", "library-import") is not known to be."""
    return () < version(state.engine) < version(wanted.release.engine.minimum)


def files(wanted: Wanted, state: HostState) -> list[tuple[Path, str, str]]:
    """Docker's packages for this system, where the release brings them."""
    folder = operating_systems.said(wanted.release.engine.packages, state.os, state.os_version)
    locked = wanted.lock.under(folder) if folder else {}
    return [
        (
            wanted.store / str(folder) / name,
            f"{host_paths.STATE}/artifacts/{folder}/{name}",
            locked[name].sha256,
        )
        for name in driver_package.packages(locked, state)
    ]


def names(state: HostState) -> tuple[str, ...]:
    """Packages of the system's own repositories, the first that is there is taken."""
    return driver_package.of(state).docker


def refusal(wanted: Wanted, state: HostState) -> Failure | None:
    """Why the engine cannot become what the release needs, as far as that is known already."""
    if state.snap:
        return Failure("SNAP", "/snap/docker is there, and no other dockerd")
    if not (absent(state) or old(wanted, state)):
        return None
    there = [p for p in state.packages if p.name in names(state)]
    minimum = wanted.release.engine.minimum
    for package in there:
        if by := "apt-mark hold" if package.held else state.held.get(package.name):
            said = f"{package.name} {package.version} by {by}, and the release needs {minimum}"
            return Failure("PACKAGE_HELD", said)
    offer = next((name for name in names(state) if name in state.offers), "")
    if offer and not files(wanted, state):
        offered = state.offers[offer].split(":")[-1]
        if version(offered) < version(minimum):
            said = f"its {offer} is {offered}, the release needs {minimum}: give files"
            return Failure("ENGINE_TOO_OLD", said)
    return None


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    if cannot := refusal(wanted, state):
        return cannot
    todo = []
    if absent(state):
        todo.append("install docker")
    elif not state.engine:
        todo.append("start docker")
    elif old(wanted, state):
        minimum = wanted.release.engine.minimum
        todo.append(f"upgrade docker {state.engine} to at least {minimum}")
    if state.engine and not state.engine_enabled:
        todo.append("enable docker at boot")
    return todo or unanswered(wanted, state) or []


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    if not (old(wanted, state) or absent(state)):
        yield Step("starting docker", "engine", "start", code="ENGINE", uses="packages")
        return
    if carried := files(wanted, state):
        yield Upload("docker packages", carried)
    known = operating_systems.find(
        state.os, state.os_version
    )  # of others the script knows the family's
    words = (
        ("install", *(dest for _, dest, _ in carried))
        if carried
        else ("repository", *(known.docker if known else ()))
    )
    yield Step(
        "installing docker",
        "engine",
        *words,
        stdin=f"{wanted.release.engine.minimum}\n",
        code="ENGINE",
        timeout=1800,
        uses="packages",
    )


STAGE = Stage("engine", decide, act, "ENGINE", shared=True)


@operation()
def running(wanted: Wanted, options: Options) -> Body:
    """Docker answers, is enabled, and is at least the release's minimum."""
    yield from STAGE.carry(wanted, options)
