"""What nobody but the vendor, or the site itself, can put into a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fleet.gather import weights
from fleet.gather.work import GatherOptions
from fleet.release import driver_packages
from fleet.release.model import Release
from fleet.store import required_files

#: The tutorials of the vendor name both; a registration is required.
PORTAL = "https://developer.cambricon.com (register), then https://sdk.cambricon.com/download"
SUPPORT = "the vendor's support"
DISTRIBUTION = "the package repositories of the operating system"


@dataclass(frozen=True)
class VendorFile:
    """A file or folder that has to be put into the store by hand.

    Attributes:
        name: its exact path in the store.
        purpose: what it is, and for which hosts.
        origin: where it is asked for.
        size: bytes that are there; None if it is missing.
        group: at least one file of a group is needed; "" if this one is needed by itself.
    """

    name: str
    purpose: str
    origin: str
    size: int | None
    group: str = ""


def list_files(
    releases: Iterable[Release], store: Path, options: GatherOptions
) -> list[VendorFile]:
    """List what has to be put into a store by hand.

    Args:
        releases: the releases.
        store: folder of the store.
        options: settings of the run.

    Returns:
        Each file or folder once, also if it is there already.
    """
    found: dict[str, VendorFile] = {}
    for release in releases:
        # the files in a folder are unknown before a lock, so an address does not help
        folders = {*release.engine.packages.values(), *release.driver.headers.values()}
        folders |= {entry.folder for entry in release.weights}
        for name, purpose, origin, group in _list_release(release, options):
            if name in folders or not required_files.find_address(release, name):
                size = _measure(store / name)
                found.setdefault(name, VendorFile(name, purpose, origin, size, group))
    return list(found.values())


def select_missing(files: Iterable[VendorFile]) -> list[VendorFile]:
    """Select the files without which a release cannot be locked.

    Args:
        files: files that have to be put into the store by hand.

    Returns:
        The missing ones; those of a group only if the group has no file at all.
    """
    files = list(files)
    groups = {file.group for file in files if file.size is not None}
    return [file for file in files if file.size is None and file.group not in groups - {""}]


def _list_release(release: Release, options: GatherOptions) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, purpose, origin and group of everything that a release names."""
    version = release.driver.version
    for key, package in release.driver.packages.items():
        yield package.file, f"driver {version} for hosts with {key}", PORTAL, ""
    for system, architecture, package in driver_packages.list_from_table(release):
        is_wanted = (
            system.name in options.systems if options.systems else not release.driver.packages
        )
        if is_wanted and architecture not in system.untested:
            hosts = f"hosts with {system.title} on {architecture}"
            group = "" if options.systems else f"driver {version}"
            yield package.file, f"driver {version} for {hosts}", PORTAL, group
    if release.image.file and not release.image.registry:
        yield release.image.file, f"image {release.image.reference}", PORTAL, ""
    wheels = [p.wheel for p in release.packages.pip if p.wheel and "://" not in p.wheel]
    yield from ((wheel, f"wheel for {release.name}", SUPPORT, "") for wheel in wheels)
    for key, folder in release.driver.headers.items():
        yield folder, f"kernel headers and build tools for {key}", DISTRIBUTION, ""
    for key, folder in release.engine.packages.items():
        yield folder, f"Docker packages for {key}", DISTRIBUTION, ""
    yield from _list_other(release, options)


def _list_other(release: Release, options: GatherOptions) -> Iterator[tuple[str, str, str, str]]:
    """Yield what a release names without saying where it comes from."""
    for system_package in release.packages.system:
        if system_package.file:
            purpose = f"package {system_package.package} for the system in the image"
            yield system_package.file, purpose, DISTRIBUTION, ""
    for entry in release.weights:
        if not weights.find_origin(entry, options):
            origin = entry.url or entry.repository or "where the tutorial of the model says"
            yield entry.folder, f"weights {entry.name}", origin, ""
    for source in release.sources:
        if source.bundle and not source.url:
            yield source.bundle, f"git bundle of {source.name}", SUPPORT, ""
    for patch in release.patches:
        if patch.store:
            yield patch.store, f"replaces {patch.file}", "the tutorial of the release", ""


def _measure(path: Path) -> int | None:
    """Return the bytes of a file or folder; None if there is none, or an empty folder."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        return sum(file.stat().st_size for file in files) if files else None
    return path.stat().st_size if path.is_file() else None
