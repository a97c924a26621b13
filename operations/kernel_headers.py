"""The headers of a kernel, for hosts that have none: from the store, without any network, or from
what repositories the host has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyinfra.api.command import PyinfraCommand

from fleet.errors import Failure
from fleet.release import host_paths, operating_systems
from fleet.release.target import Wanted
from operations import driver_package
from operations.host.facts import HostState
from operations.host.job import Step
from operations.transfer.upload import Upload


def package(state: HostState, kernel: str) -> str:
    """Name of the package that has them."""
    return driver_package.of(state).headers.format(kernel=kernel)


def absent(state: HostState) -> str:
    """What a host lacks for its driver to be built, and how it is installed."""
    name = package(state, state.kernel)
    return (
        f"{name} (there is no /lib/modules/{state.kernel}/build): "
        f"{driver_package.of(state).tool} install {name}"
    )


def folder(wanted: Wanted, state: HostState) -> str | None:
    """The release's folder for this system."""
    return operating_systems.said(wanted.release.driver.headers, state.os, state.os_version)


def missing(state: HostState) -> list[str]:
    """What builds modules and is not there.

    dpkg's dkms stands for what it depends on; so does rpm's where its books cannot be read.
    """
    there = {package.name for package in state.packages if package.installed}
    known = "dkms" in there
    if (
        known
        if driver_package.of(state).family == "deb"
        else not known and "dkms" not in state.lacks
    ):
        return []
    return sorted(state.lacks - there)


def _folder(wanted: Wanted, state: HostState) -> list[str]:
    """Packages in the release's folder for this system."""
    place = folder(wanted, state)
    return driver_package.packages(wanted.lock.under(place), state) if place else []


def _lacking(wanted: Wanted, state: HostState) -> list[str]:
    """Those of the missing tools that the release's folder has not."""
    names = _folder(wanted, state)
    return [
        tool
        for tool in missing(state)
        if not any(re.match(rf"{tool}[_-][0-9]", name) for name in names)
    ]


def carried(wanted: Wanted, state: HostState, kernel: str) -> list[str]:
    """Files of that folder, when it has the headers of this kernel or tools that are missing.

    All of them: what a distribution's headers need of each other is not in their names.
    """
    names, name = _folder(wanted, state), package(state, kernel)
    tools = missing(state) and missing(state) != _lacking(wanted, state)
    return names if tools or _has(names, name) else []


def _has(names: list[str], name: str) -> bool:
    return any(n.startswith((f"{name}_", f"{name}.")) for n in names)


def available(wanted: Wanted, state: HostState, kernel: str) -> bool:
    """Whether they can be brought."""
    return kernel in state.offered or _has(_folder(wanted, state), package(state, kernel))


def refusal(wanted: Wanted, state: HostState) -> Failure | None:
    """Why a driver cannot be built for the running kernel."""
    if not state.headers and not available(wanted, state, state.kernel):
        return Failure("HEADERS_MISSING", absent(state))
    lacking = [tool for tool in _lacking(wanted, state) if tool not in state.offers]
    return Failure("BUILD_TOOLS", ", ".join(lacking)) if lacking else None


def install(
    wanted: Wanted, state: HostState, kernel: str, there: bool = False
) -> Iterator[PyinfraCommand]:
    """The commands that bring what a driver is built with: the release's files, else the headers
    of the host's repositories.

    :param there: the headers are there already, and only tools may be missing: these come from
        repositories by themselves, as the driver's package asks for them
    """
    names, place = carried(wanted, state, kernel), folder(wanted, state)
    if there and not missing(state):
        return
    files, where = [package(state, kernel)], "of its repositories"
    if names and place:
        locked, dest = wanted.lock.under(place), f"{host_paths.STATE}/artifacts/{place}"
        yield Upload(
            "kernel headers",
            [
                (wanted.store / place / name, f"{dest}/{name}", locked[name].sha256)
                for name in names
            ],
        )
        files, where = [f"{dest}/{name}" for name in names], "of the release"
    elif there or kernel not in state.offered:
        return
    yield Step(
        f"installing the headers of kernel {kernel} {where}",
        "install-headers",
        kernel,
        *files,
        code="HEADERS_MISSING",
        timeout=1800,
        uses="packages",
    )
