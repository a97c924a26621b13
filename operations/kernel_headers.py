"""The headers of a kernel, for hosts that have none: from the store, without any network, or from
what repositories the host has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.errors import Failure
from fleet.release import host_paths, operating_systems
from fleet.release.target import ReleaseTarget
from operations import driver_package
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.transfer.upload import Upload


def package_name(facts: HostFacts, kernel: str) -> str:
    """Name of the package that has them."""
    return driver_package.find_system(facts).headers.format(kernel=kernel)


def describe_missing(facts: HostFacts) -> str:
    """What a host lacks for its driver to be built, and how it is installed."""
    name = package_name(facts, facts.kernel)
    return (
        f"{name} (there is no /lib/modules/{facts.kernel}/build): "
        f"{driver_package.find_system(facts).tool} install {name}"
    )


def store_folder(target: ReleaseTarget, facts: HostFacts) -> str | None:
    """The release's folder for this system."""
    return operating_systems.select_for_system(
        target.release.driver.headers, facts.os_id, facts.os_version
    )


def list_missing_tools(facts: HostFacts) -> list[str]:
    """What builds modules and is not there.

    dpkg's dkms stands for what it depends on; so does rpm's where its books cannot be read.
    """
    there = {package.name for package in facts.packages if package.is_installed}
    known = "dkms" in there
    if (
        known
        if driver_package.find_system(facts).family == "deb"
        else not known and "dkms" not in facts.missing_build_tools
    ):
        return []
    return sorted(facts.missing_build_tools - there)


def _store_packages(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    """Packages in the release's folder for this system."""
    place = store_folder(target, facts)
    return driver_package.filter_package_files(target.lock.files_in(place), facts) if place else []


def _tools_outside_store(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    """Those of the missing tools that the release's folder has not."""
    names = _store_packages(target, facts)
    return [
        tool
        for tool in list_missing_tools(facts)
        if not any(re.match(rf"{tool}[_-][0-9]", name) for name in names)
    ]


def select_store_packages(target: ReleaseTarget, facts: HostFacts, kernel: str) -> list[str]:
    """Files of that folder, when it has the headers of this kernel or tools that are missing.

    All of them: what a distribution's headers need of each other is not in their names.
    """
    names, name = _store_packages(target, facts), package_name(facts, kernel)
    tools = list_missing_tools(facts) and list_missing_tools(facts) != _tools_outside_store(
        target, facts
    )
    return names if tools or _contains_package(names, name) else []


def _contains_package(names: list[str], name: str) -> bool:
    return any(n.startswith((f"{name}_", f"{name}.")) for n in names)


def can_install(target: ReleaseTarget, facts: HostFacts, kernel: str) -> bool:
    """Whether they can be brought."""
    return kernel in facts.installable_headers or _contains_package(
        _store_packages(target, facts), package_name(facts, kernel)
    )


def check_build_requirements(target: ReleaseTarget, facts: HostFacts) -> Failure | None:
    """Why a driver cannot be built for the running kernel."""
    if not facts.has_headers and not can_install(target, facts, facts.kernel):
        return Failure("HEADERS_MISSING", describe_missing(facts))
    lacking = [tool for tool in _tools_outside_store(target, facts) if tool not in facts.offers]
    return Failure("BUILD_TOOLS", ", ".join(lacking)) if lacking else None


def install_headers(
    target: ReleaseTarget, facts: HostFacts, kernel: str, headers_present: bool = False
) -> Iterator[HostCommand]:
    """The commands that bring what a driver is built with: the release's files, else the headers
    of the host's repositories.

    :param there: the headers are there already, and only tools may be missing: these come from
        repositories by themselves, as the driver's package asks for them
    """
    names, place = select_store_packages(target, facts, kernel), store_folder(target, facts)
    if headers_present and not list_missing_tools(facts):
        return
    files, where = [package_name(facts, kernel)], "of its repositories"
    if names and place:
        locked, dest = target.lock.files_in(place), f"{host_paths.STATE_FOLDER}/artifacts/{place}"
        yield Upload(
            "kernel headers",
            [
                (target.store / place / name, f"{dest}/{name}", locked[name].sha256)
                for name in names
            ],
        )
        files, where = [f"{dest}/{name}" for name in names], "of the release"
    elif headers_present or kernel not in facts.installable_headers:
        return
    yield RemoteJob(
        f"installing the headers of kernel {kernel} {where}",
        "install-headers",
        kernel,
        *files,
        code="HEADERS_MISSING",
        timeout=1800,
        libraries="packages",
    )
