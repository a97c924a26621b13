"""The driver packages of a release: those it names, and those that files/systems.yml implies."""

from __future__ import annotations

from collections.abc import Container, Iterator

from fleet.language import _
from fleet.release import operating_systems
from fleet.release.model import DriverPackage, Release
from fleet.release.operating_systems import OperatingSystem


def list_from_table(release: Release) -> Iterator[tuple[OperatingSystem, str, DriverPackage]]:
    """List the driver packages that the table of systems implies for a release.

    Systems for which the release names a package itself are omitted, because that one wins.

    Args:
        release: The release.

    Yields:
        System, architecture and package.
    """
    for system in operating_systems.load_table():
        if system.name not in release.driver.packages:
            for architecture in system.architectures:
                package = system.driver_package(release.driver.version, architecture)
                yield system, architecture, package


def list_packages(release: Release) -> list[DriverPackage]:
    """List every driver package that a host of the release may need.

    Args:
        release: The release.

    Returns:
        The packages; the store needs only those of the fleet's systems.
    """
    implied = [package for _system, _architecture, package in list_from_table(release)]
    return [*release.driver.packages.values(), *implied]


def find_package(
    release: Release, os: str, version: str, architecture: str
) -> DriverPackage | None:
    """Find the driver package for a host.

    Args:
        release: The release.
        os: ID in the host's /etc/os-release.
        version: VERSION_ID there.
        architecture: Architecture as `uname -m` prints it.

    Returns:
        The package; None if neither the release nor the table has the system.
    """
    packages = release.driver.packages
    if own := operating_systems.select_for_system(packages, os, version):
        return own
    system = operating_systems.find_system(os, version)
    if system is None or architecture not in system.architectures:
        return None
    return system.driver_package(release.driver.version, architecture)


def group_by_availability(release: Release, files: Container[str]) -> tuple[list[str], list[str]]:
    """Group operating systems by whether their driver package is available.

    Args:
        release: The release.
        files: Paths of the files in the store or the lock file.

    Returns:
        Names of the systems with a driver, and of those without. An untested architecture is
        only listed if its file is available.
    """
    available: list[str] = []
    missing: list[str] = []
    for name, package in release.driver.packages.items():
        (available if package.file in files else missing).append(name)
    for system, architecture, package in list_from_table(release):
        untested = architecture in system.untested
        if package.file in files:
            available.append(
                _(
                    "{system} ({architecture}, untested)",
                    system=system.name,
                    architecture=architecture,
                )
                if untested
                else system.name
            )
        elif not untested:
            missing.append(system.name)
    return sorted(available), sorted(missing)
