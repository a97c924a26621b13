"""The vendor's driver package: which one a host's operating system takes, and what it has."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.errors import Failure
from fleet.language import _
from fleet.release import driver_packages, host_paths, operating_systems
from fleet.release.model import DriverPackage
from fleet.release.operating_systems import OperatingSystem
from fleet.release.target import ReleaseTarget
from fleet.text import word_lists
from operations.host.facts import HostFacts, Package
from operations.transfer.upload import Upload


def select_package(target: ReleaseTarget, facts: HostFacts) -> DriverPackage | Failure:
    """Return the vendor's driver package for the host's operating system and architecture.

    Args:
        target: The release; its lock has the package's file.
        facts: The host.

    Returns:
        The package, or why the release has none for this host.
    """
    release, name = target.release, f"{facts.os_key} ({facts.os_name})"
    package = driver_packages.find_package(
        release, facts.os_id, facts.os_version, facts.architecture
    )
    if package is None:
        if system := operating_systems.find_system(facts.os_id, facts.os_version):
            known = word_lists.join_words(system.architectures)
            return Failure(
                "OS_UNSUPPORTED",
                _(
                    "{name} on {architecture}, not on {known}",
                    name=name,
                    architecture=facts.architecture,
                    known=known,
                ),
            )
        available, _others = driver_packages.group_by_availability(release, target.lock.files)
        return Failure(
            "OS_UNSUPPORTED",
            _("{name}; it has {available}", name=name, available=word_lists.join_words(available)),
        )
    if package.file not in target.lock.files:
        return Failure(
            "OS_UNSUPPORTED", _("{name}: its lock has no {file}", name=name, file=package.file)
        )
    return package


def build_upload(target: ReleaseTarget, package: DriverPackage) -> Upload:
    """Return the upload of a driver package.

    Args:
        target: The release that names the driver.
        package: The package, one of the release's.
    """
    local, sha = target.local_file(package.file)
    return Upload(_("driver package"), [(local, host_paths.artifact_path(package.file), sha)])


def find_system(facts: HostFacts) -> OperatingSystem:
    """Return the host's operating system; for an unknown one, another of its family.

    Args:
        facts: The host.
    """
    family = "deb" if "apt-get" in facts.tools else "rpm"
    known = operating_systems.find_system(facts.os_id, facts.os_version)
    return known or operating_systems.find_by_family(family)


def filter_package_files(names: Iterable[str], facts: HostFacts) -> list[str]:
    """Return the file names that the host's package manager installs.

    Args:
        names: All files of a folder; checksums, readmes and source packages are left out.
        facts: The host.
    """
    suffix = "." + find_system(facts).family
    sources = (".src.rpm", ".nosrc.rpm")
    return [name for name in names if name.endswith(suffix) and not name.endswith(sources)]


def list_entries(target: ReleaseTarget, facts: HostFacts) -> list[Package]:
    """Return the host's entries for its driver package; rpm can have the same package twice.

    Args:
        target: The release that names the driver.
        facts: The host.
    """
    ours = select_package(target, facts)
    name = None if isinstance(ours, Failure) else ours.package
    return [package for package in facts.packages if package.name == name]


def find_current(target: ReleaseTarget, facts: HostFacts) -> Package | None:
    """Return the host's only entry for its driver package, or None if it has none or several.

    Args:
        target: The release that names the driver.
        facts: The host.
    """
    entries = list_entries(target, facts)
    return entries[0] if len(entries) == 1 else None


def is_right(target: ReleaseTarget, facts: HostFacts) -> bool:
    """Return whether the driver is installed and DKMS has built it for the running kernel.

    The package manager alone does not prove it: a package can be installed without its modules.

    Args:
        target: The release that names the driver.
        facts: The host.
    """
    package, version = find_current(target, facts), target.release.driver.version
    built = facts.has_module(facts.kernel, version)
    return package is not None and package.is_installed and package.version == version and built


def check_hold(target: ReleaseTarget, facts: HostFacts) -> Failure | None:
    """Return a failure if the package has to change and an administrator has locked its version.

    Args:
        target: The release that names the driver.
        facts: The host.
    """
    package, version = find_current(target, facts), target.release.driver.version
    if not package or package.version == version:
        return None
    by = "apt-mark hold" if package.is_held else facts.held.get(package.name)
    sentence = _(
        "{package} {version} by {by}, and the release has {wanted}",
        package=package.name,
        version=package.version,
        by=by,
        wanted=version,
    )
    return Failure("PACKAGE_HELD", sentence) if by else None
