"""The headers of a kernel, and the tools that build its modules.

They come from the release's files in the store, without any network, or else from the
repositories that the host has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.errors import Failure
from fleet.language import _
from fleet.release import host_paths, operating_systems
from fleet.release.target import ReleaseTarget
from operations import driver_package
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.transfer.upload import Upload


def package_name(facts: HostFacts, kernel: str) -> str:
    """Return the name of the package with the headers of a kernel.

    Args:
        facts: The host, whose operating system decides the name.
        kernel: Release of the kernel, as `uname -r` prints it.
    """
    return driver_package.find_system(facts).headers.format(kernel=kernel)


def describe_missing(facts: HostFacts) -> str:
    """Name the headers that the host lacks, and the command that installs them.

    Args:
        facts: The host.
    """
    name, tool = package_name(facts, facts.kernel), driver_package.find_system(facts).tool
    return _(
        "{name} (there is no /lib/modules/{kernel}/build): {tool} install {name}",
        name=name,
        kernel=facts.kernel,
        tool=tool,
    )


def store_folder(target: ReleaseTarget, facts: HostFacts) -> str | None:
    """Return the store's folder with headers for the host's operating system, if there is one.

    Args:
        target: The release that names the folders.
        facts: The host.
    """
    folders = target.release.driver.headers
    return operating_systems.select_for_system(folders, facts.os_id, facts.os_version)


def list_missing_tools(facts: HostFacts) -> list[str]:
    """Return the tools for building modules that the host lacks.

    An installed dkms package stands for everything it depends on: always with dpkg, and with rpm
    only where the rpm database could be read.

    Args:
        facts: The host.
    """
    installed = {package.name for package in facts.packages if package.is_installed}
    has_dkms = "dkms" in installed
    if driver_package.find_system(facts).family == "deb":
        if has_dkms:
            return []
    elif not has_dkms and "dkms" not in facts.missing_build_tools:
        return []
    return sorted(facts.missing_build_tools - installed)


def _store_packages(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    folder = store_folder(target, facts)
    if not folder:
        return []
    return driver_package.filter_package_files(target.lock.files_in(folder), facts)


def _tools_outside_store(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    """Return the missing tools that the release's folder does not have either."""
    names = _store_packages(target, facts)
    return [
        tool
        for tool in list_missing_tools(facts)
        if not any(re.match(rf"{tool}[_-][0-9]", name) for name in names)
    ]


def select_store_packages(target: ReleaseTarget, facts: HostFacts, kernel: str) -> list[str]:
    """Return the files to install from the store; empty if it has nothing that is missing.

    All files of the folder or none: their names do not tell which of them depend on each other.

    Args:
        target: The release that names the folder.
        facts: The host.
        kernel: Release of the kernel whose headers are needed.
    """
    names = _store_packages(target, facts)
    missing = list_missing_tools(facts)
    has_tools = missing and missing != _tools_outside_store(target, facts)
    return names if has_tools or _contains_package(names, package_name(facts, kernel)) else []


def _contains_package(names: list[str], package: str) -> bool:
    return any(name.startswith((f"{package}_", f"{package}.")) for name in names)


def can_install(target: ReleaseTarget, facts: HostFacts, kernel: str) -> bool:
    """Return whether the headers of a kernel are in the store or in the host's repositories.

    Args:
        target: The release that names the folder of the store.
        facts: The host.
        kernel: Release of the kernel.
    """
    names = _store_packages(target, facts)
    return kernel in facts.installable_headers or _contains_package(
        names, package_name(facts, kernel)
    )


def check_build_requirements(target: ReleaseTarget, facts: HostFacts) -> Failure | None:
    """Return why a driver cannot be built for the running kernel, or None if it can.

    Args:
        target: The release that names the folder of the store.
        facts: The host.
    """
    if not facts.has_headers and not can_install(target, facts, facts.kernel):
        return Failure("HEADERS_MISSING", describe_missing(facts))
    lacking = [tool for tool in _tools_outside_store(target, facts) if tool not in facts.offers]
    return Failure("BUILD_TOOLS", ", ".join(lacking)) if lacking else None


def install_headers(
    target: ReleaseTarget, facts: HostFacts, kernel: str, headers_present: bool = False
) -> Iterator[HostCommand]:
    """Give the commands that install everything a driver is built with.

    Args:
        target: The release that names the folder of the store.
        facts: The host.
        kernel: Release of the kernel whose headers are needed.
        headers_present: The headers are installed, and only tools may be missing. Repositories
            provide these by themselves, as dependencies of the driver's package.
    """
    if headers_present and not list_missing_tools(facts):
        return
    names, folder = select_store_packages(target, facts, kernel), store_folder(target, facts)
    files, origin = [package_name(facts, kernel)], _("of its repositories")
    if names and folder:
        locked, dest = target.lock.files_in(folder), host_paths.artifact_path(folder)
        yield Upload(
            _("kernel headers"),
            [
                (target.store / folder / name, f"{dest}/{name}", locked[name].sha256)
                for name in names
            ],
        )
        files, origin = [f"{dest}/{name}" for name in names], _("of the release")
    elif headers_present or kernel not in facts.installable_headers:
        return
    yield RemoteJob(
        _("installing the headers of kernel {kernel} {origin}", kernel=kernel, origin=origin),
        "install-headers",
        kernel,
        *files,
        code="HEADERS_MISSING",
        timeout=1800,
    )
