"""Which driver packages a release has: those it names, and those of the table of systems."""

from __future__ import annotations

from collections.abc import Container, Iterator

from fleet.release import operating_systems
from fleet.release.model import DriverPackage, Release
from fleet.release.operating_systems import OperatingSystem


def list_from_table(release: Release) -> Iterator[tuple[OperatingSystem, str, DriverPackage]]:
    """System, architecture and package of every driver that the table names for a release.

    What the release names itself is not of these: it wins.
    """
    for system in operating_systems.load_table():
        if system.name not in release.driver.packages:
            for architecture in system.architectures:
                yield (
                    system,
                    architecture,
                    system.driver_package(release.driver.version, architecture),
                )


def list_packages(release: Release) -> list[DriverPackage]:
    """Every driver package that hosts of a release may have."""
    return [
        *release.driver.packages.values(),
        *(package for _, _, package in list_from_table(release)),
    ]


def find_package(
    release: Release, os: str, version: str, architecture: str
) -> DriverPackage | None:
    """The driver package of a host; None for a system that neither release nor table know."""
    if own := operating_systems.select_for_system(release.driver.packages, os, version):
        return own
    system = operating_systems.find_system(os, version)
    if system is None or architecture not in system.architectures:
        return None
    return system.driver_package(release.driver.version, architecture)


def group_by_availability(release: Release, files: Container[str]) -> tuple[list[str], list[str]]:
    """Systems whose driver is among files, and those whose is not.

    An architecture that nobody has tried is told only where its file is there.
    """
    have = [name for name, one in release.driver.packages.items() if one.file in files]
    lack = [name for name in release.driver.packages if name not in have]
    for system, architecture, one in list_from_table(release):
        tried = architecture not in system.untested
        if one.file in files:
            have.append(system.name if tried else f"{system.name} ({architecture}, untested)")
        elif tried:
            lack.append(system.name)
    return sorted(have), sorted(lack)
