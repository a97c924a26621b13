"""What a host's operating system decides: the driver's package above all."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.errors import Failure
from fleet.release import driver_packages, operating_systems
from fleet.release.model import DriverPackage
from fleet.release.operating_systems import System
from fleet.release.target import Wanted
from operations.host.facts import HostState


def package(wanted: Wanted, state: HostState) -> DriverPackage | Failure:
    """The vendor's package for this system, which the store has; else why there is none."""
    release, name = wanted.release, f"{state.system} ({state.os_name})"
    found = driver_packages.package(release, state.os, state.os_version, state.architecture)
    if found is None:
        if system := operating_systems.find(state.os, state.os_version):
            known = ", ".join(system.architectures)
            return Failure("OS_UNSUPPORTED", f"{name} on {state.architecture}, not on {known}")
        have, _ = driver_packages.served(release, wanted.lock.files)
        return Failure("OS_UNSUPPORTED", f"{name}; it has {', '.join(have)}")
    if found.file not in wanted.lock.files:
        return Failure("OS_UNSUPPORTED", f"{name}: its lock has no {found.file}")
    return found


def of(state: HostState) -> System:
    """The host's system; for one that is not in the table, another of its family."""
    family = "deb" if "apt-get" in state.tools else "rpm"
    return operating_systems.find(state.os, state.os_version) or operating_systems.first(family)


def packages(names: Iterable[str], state: HostState) -> list[str]:
    """Those files of a folder that the host's package tool takes: sums and readmes stay behind."""
    suffix = "." + of(state).family
    return [n for n in names if n.endswith(suffix) and not n.endswith((".src.rpm", ".nosrc.rpm"))]
