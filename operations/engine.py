"""The docker engine: new enough, running, and started at boot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.language import _
from fleet.release import host_paths, operating_systems
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.text.word_lists import join_pair
from operations import driver_package
from operations.host.command import HostCommand
from operations.host.facts import HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.stage import (
    AWAIT_ENGINE,
    Action,
    Decision,
    HostSpec,
    HostStage,
    OperationCommands,
    Plan,
)
from operations.transfer.upload import Upload


def parse_version(text: str) -> tuple[int, ...]:
    """Parse a version of docker: "19.03.15-ce" -> (19, 3, 15).

    Args:
        text: The version; one without a number, as of a private build, gives ().
    """
    return tuple(int(number) for number in re.findall(r"[0-9]{1,9}", text)[:3])


def is_missing(facts: HostFacts) -> bool:
    """Return whether no engine is installed; a client without its daemon is not one.

    Args:
        facts: The host.
    """
    return not facts.engine_version and not {"docker", "dockerd"} <= facts.tools


def check_answers(target: ReleaseTarget, found: ReleaseFacts) -> Failure | None:
    """Return a failure if docker did not answer a query; that does not mean "missing".

    Args:
        target: The release whose image and container were asked for.
        found: The release on the host.
    """
    names = {"image": target.release.image.reference, "container": target.release.container.name}
    queries = [f"{kind} {name}" for kind, name in names.items() if kind in found.unanswered_queries]
    sentence = _("docker does not answer for {queries}", queries=join_pair(queries))
    return Failure("ENGINE", sentence) if queries else None


def is_too_old(target: HostTarget, facts: HostFacts) -> bool:
    """Return whether the engine is older than a release needs.

    An engine without a version number ("dev", "library-import") is not known to be.

    Args:
        target: The desired state of the host.
        facts: The host.
    """
    minimum = find_strictest_release(target, facts).release.engine.minimum
    return () < parse_version(facts.engine_version) < parse_version(minimum)


def find_strictest_release(target: HostTarget, facts: HostFacts) -> ReleaseTarget:
    """Return the release with the highest minimum; of equal ones, one that has docker's packages.

    Args:
        target: The desired state of the host.
        facts: The host.
    """
    return max(
        target.releases,
        key=lambda release: (
            parse_version(release.release.engine.minimum),
            bool(list_store_packages(release, facts)),
        ),
    )


def list_store_packages(target: ReleaseTarget, facts: HostFacts) -> list[tuple[Path, str, str]]:
    """Return docker's packages for the host's operating system, if the release has them.

    Args:
        target: The release that names their folder.
        facts: The host.

    Returns:
        Path on the controller, path on the host, and sha256 of each file.
    """
    folder = operating_systems.select_for_system(
        target.release.engine.packages, facts.os_id, facts.os_version
    )
    if not folder:
        return []
    locked = target.lock.files_in(folder)
    dest = host_paths.artifact_path(folder)
    return [
        (target.store / folder / name, f"{dest}/{name}", locked[name].sha256)
        for name in driver_package.filter_package_files(locked, facts)
    ]


def repository_packages(facts: HostFacts) -> tuple[str, ...]:
    """Return the names of docker's package in the system's repositories, the preferred one first.

    Args:
        facts: The host.
    """
    return driver_package.find_system(facts).docker


def check_installable(target: HostTarget, facts: HostFacts) -> Failure | None:
    """Return why the engine cannot become what the releases need, as far as that is known.

    Args:
        target: The desired state of the host.
        facts: The host.
    """
    if facts.docker_is_snap:
        return Failure("SNAP", _("/snap/docker is there, and no other dockerd"))
    if not (is_missing(facts) or is_too_old(target, facts)):
        return None
    strictest = find_strictest_release(target, facts)
    minimum, names = strictest.release.engine.minimum, repository_packages(facts)
    for package in facts.packages:
        by = "apt-mark hold" if package.is_held else facts.held.get(package.name)
        if package.name in names and by:
            sentence = _(
                "{package} {version} by {by}, and the release needs {minimum}",
                package=package.name,
                version=package.version,
                by=by,
                minimum=minimum,
            )
            return Failure("PACKAGE_HELD", sentence)
    name = next((name for name in names if name in facts.offers), "")
    if name and not list_store_packages(strictest, facts):
        offered = facts.offers[name].split(":")[-1]
        if parse_version(offered) < parse_version(minimum):
            sentence = _(
                "its {name} is {offered}, the release needs {minimum}: give files",
                name=name,
                offered=offered,
                minimum=minimum,
            )
            return Failure("ENGINE_TOO_OLD", sentence)
    return None


def decide(spec: HostSpec, facts: HostFacts) -> Decision:
    """Compare the engine with the strictest of the releases.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    if failure := check_installable(spec.target, facts):
        return failure
    if changes := _list_changes(spec.target, facts):  # one job does all of it
        kinds, words = zip(*changes, strict=True)
        return Plan((Action(words, lambda _: _bring_up(spec.target, facts), kinds),))
    for release in spec.target.releases:
        if failure := check_answers(release, facts.releases[release.key]):
            return failure
    return Plan()


def _list_changes(target: HostTarget, facts: HostFacts) -> list[tuple[str, str]]:
    """Return what is to be done: the kind of each change, and its words."""
    changes = []
    if is_missing(facts):
        changes.append(("", _("install docker")))
    elif not facts.engine_version and facts.engine_is_silent:  # it may begin to run
        changes.append((AWAIT_ENGINE, _("wait for docker, which does not answer")))
    elif not facts.engine_version:
        changes.append(("", _("start docker")))
    elif is_too_old(target, facts):
        minimum = find_strictest_release(target, facts).release.engine.minimum
        changes.append(
            (
                "",
                _(
                    "upgrade docker {engine_version} to at least {minimum}",
                    engine_version=facts.engine_version,
                    minimum=minimum,
                ),
            )
        )
    if facts.engine_version and not facts.engine_enabled:
        changes.append(("", _("enable docker at boot")))
    return changes


def _bring_up(target: HostTarget, facts: HostFacts) -> Iterator[HostCommand]:
    """Start and enable the engine; install or upgrade it first if that is needed."""
    if not (is_too_old(target, facts) or is_missing(facts)):
        yield RemoteJob(_("starting docker"), "engine", "start", code="ENGINE")
        return
    strictest = find_strictest_release(target, facts)
    if files := list_store_packages(strictest, facts):
        yield Upload(_("docker packages"), files)
        arguments = ["install", *(dest for _local, dest, _sha in files)]
    else:
        # of an unknown system, the script knows the names that its family has
        system = operating_systems.find_system(facts.os_id, facts.os_version)
        arguments = ["repository", *(system.docker if system else ())]
    yield RemoteJob(
        _("installing docker"),
        "engine",
        *arguments,
        stdin=f"{strictest.release.engine.minimum}\n",
        code="ENGINE",
        timeout=1800,
    )


STAGE = HostStage("engine", decide, "ENGINE")


@operation()
def running(spec: HostSpec) -> OperationCommands:
    """Install, upgrade, start and enable the docker engine, as far as that is needed.

    Args:
        spec: The desired state of the host.
    """
    yield from STAGE.bind(spec.target).converge(spec)
