"""What a host's operating system decides: the driver's package above all."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.errors import Failure
from fleet.release import driver_packages, operating_systems
from fleet.release.model import DriverPackage
from fleet.release.operating_systems import OperatingSystem
from fleet.release.target import ReleaseTarget
from operations.host.facts import HostFacts


def select_package(target: ReleaseTarget, facts: HostFacts) -> DriverPackage | Failure:
    """The vendor's package for this system, which the store has; else why there is none."""
    release, name = target.release, f"{facts.os_key} ({facts.os_name})"
    found = driver_packages.find_package(release, facts.os_id, facts.os_version, facts.architecture)
    if found is None:
        if system := operating_systems.find_system(facts.os_id, facts.os_version):
            known = ", ".join(system.architectures)
            return Failure("OS_UNSUPPORTED", f"{name} on {facts.architecture}, not on {known}")
        have, _ = driver_packages.group_by_availability(release, target.lock.files)
        return Failure("OS_UNSUPPORTED", f"{name}; it has {', '.join(have)}")
    if found.file not in target.lock.files:
        return Failure("OS_UNSUPPORTED", f"{name}: its lock has no {found.file}")
    return found


def find_system(facts: HostFacts) -> OperatingSystem:
    """The host's system; for one that is not in the table, another of its family."""
    family = "deb" if "apt-get" in facts.tools else "rpm"
    return operating_systems.find_system(
        facts.os_id, facts.os_version
    ) or operating_systems.find_by_family(family)


def filter_package_files(names: Iterable[str], facts: HostFacts) -> list[str]:
    """Those files of a folder that the host's package tool takes: sums and readmes stay behind."""
    suffix = "." + find_system(facts).family
    return [n for n in names if n.endswith(suffix) and not n.endswith((".src.rpm", ".nosrc.rpm"))]
