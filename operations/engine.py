"""The docker engine: new enough, running, and there after a reboot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.release import host_paths, operating_systems
from fleet.release.target import ReleaseTarget
from operations import driver_package
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.stage import Decision, HostOptions, OperationCommands, Stage
from operations.transfer.upload import Upload


def parse_version(text: str) -> tuple[int, ...]:
    """ "19.03.15-ce" -> (19, 3, 15)."""
    return tuple(int(number) for number in re.findall(r"[0-9]{1,9}", text)[:3])


def is_missing(facts: HostFacts) -> bool:
    """No engine is installed; a client alone, or one whose daemon was removed, is none."""
    return not facts.engine_version and not {"docker", "dockerd"} <= facts.tools


def check_answers(target: ReleaseTarget, facts: HostFacts) -> Failure | None:
    """Something of docker's that is asked for in vain: it must not be taken for missing."""
    names = {"image": target.release.image.reference, "container": target.release.container.name}
    said = [f"{kind} {name}" for kind, name in names.items() if kind in facts.unanswered_queries]
    return Failure("ENGINE", f"docker does not answer for {' and '.join(said)}") if said else None


def is_too_old(target: ReleaseTarget, facts: HostFacts) -> bool:
    """One that was built without a number ("dev", "library-import") is not known to be."""
    return () < parse_version(facts.engine_version) < parse_version(target.release.engine.minimum)


def list_store_packages(target: ReleaseTarget, facts: HostFacts) -> list[tuple[Path, str, str]]:
    """Docker's packages for this system, where the release brings them."""
    folder = operating_systems.select_for_system(
        target.release.engine.packages, facts.os_id, facts.os_version
    )
    locked = target.lock.files_in(folder) if folder else {}
    return [
        (
            target.store / str(folder) / name,
            f"{host_paths.STATE_FOLDER}/artifacts/{folder}/{name}",
            locked[name].sha256,
        )
        for name in driver_package.filter_package_files(locked, facts)
    ]


def repository_packages(facts: HostFacts) -> tuple[str, ...]:
    """Packages of the system's own repositories, the first that is there is taken."""
    return driver_package.find_system(facts).docker


def check_installable(target: ReleaseTarget, facts: HostFacts) -> Failure | None:
    """Why the engine cannot become what the release needs, as far as that is known already."""
    if facts.docker_is_snap:
        return Failure("SNAP", "/snap/docker is there, and no other dockerd")
    if not (is_missing(facts) or is_too_old(target, facts)):
        return None
    there = [p for p in facts.packages if p.name in repository_packages(facts)]
    minimum = target.release.engine.minimum
    for package in there:
        if by := "apt-mark hold" if package.is_held else facts.held.get(package.name):
            said = f"{package.name} {package.version} by {by}, and the release needs {minimum}"
            return Failure("PACKAGE_HELD", said)
    offer = next((name for name in repository_packages(facts) if name in facts.offers), "")
    if offer and not list_store_packages(target, facts):
        offered = facts.offers[offer].split(":")[-1]
        if parse_version(offered) < parse_version(minimum):
            said = f"its {offer} is {offered}, the release needs {minimum}: give files"
            return Failure("ENGINE_TOO_OLD", said)
    return None


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    if cannot := check_installable(target, facts):
        return cannot
    todo = []
    if is_missing(facts):
        todo.append("install docker")
    elif not facts.engine_version:
        todo.append("start docker")
    elif is_too_old(target, facts):
        minimum = target.release.engine.minimum
        todo.append(f"upgrade docker {facts.engine_version} to at least {minimum}")
    if facts.engine_version and not facts.engine_enabled:
        todo.append("enable docker at boot")
    return todo or check_answers(target, facts) or []


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    if not (is_too_old(target, facts) or is_missing(facts)):
        yield RemoteJob("starting docker", "engine", "start", code="ENGINE", libraries="packages")
        return
    if carried := list_store_packages(target, facts):
        yield Upload("docker packages", carried)
    known = operating_systems.find_system(
        facts.os_id, facts.os_version
    )  # of others the script knows the family's
    words = (
        ("install", *(dest for _, dest, _ in carried))
        if carried
        else ("repository", *(known.docker if known else ()))
    )
    yield RemoteJob(
        "installing docker",
        "engine",
        *words,
        stdin=f"{target.release.engine.minimum}\n",
        code="ENGINE",
        timeout=1800,
        libraries="packages",
    )


STAGE = Stage("engine", decide, act, "ENGINE", host_wide=True)


@operation()
def running(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """Docker answers, is enabled, and is at least the release's minimum."""
    yield from STAGE.converge(target, options)
