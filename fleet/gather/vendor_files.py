"""What nobody but the vendor, or the site itself, can put into a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fleet.gather import weights
from fleet.gather.work import GatherOptions
from fleet.language import N_, _
from fleet.release import driver_packages
from fleet.release.model import Release
from fleet.store import required_files

#: The tutorials of the vendor name both; a registration is required.
PORTAL = N_("https://developer.cambricon.com (register), then https://sdk.cambricon.com/download")
SUPPORT = N_("the vendor's support")
DISTRIBUTION = N_("the package repositories of the operating system")


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
        purpose = _("driver {version} for hosts with {system}", version=version, system=key)
        yield package.file, purpose, _(PORTAL), ""
    for system, architecture, package in driver_packages.list_from_table(release):
        is_wanted = (
            system.name in options.systems if options.systems else not release.driver.packages
        )
        if is_wanted and architecture not in system.untested:
            purpose = _(
                "driver {version} for hosts with {system} on {architecture}",
                version=version,
                system=system.title,
                architecture=architecture,
            )
            group = "" if options.systems else f"driver {version}"
            yield package.file, purpose, _(PORTAL), group
    if release.image.file and not release.image.registry:
        purpose = _("image {image}", image=release.image.reference)
        yield release.image.file, purpose, _(PORTAL), ""
    wheels = [p.wheel for p in release.packages.pip if p.wheel and "://" not in p.wheel]
    for wheel in wheels:
        yield wheel, _("wheel for {release}", release=release.name), _(SUPPORT), ""
    for key, folder in release.driver.headers.items():
        purpose = _("kernel headers and build tools for {system}", system=key)
        yield folder, purpose, _(DISTRIBUTION), ""
    for key, folder in release.engine.packages.items():
        yield folder, _("Docker packages for {system}", system=key), _(DISTRIBUTION), ""
    yield from _list_other(release, options)


def _list_other(release: Release, options: GatherOptions) -> Iterator[tuple[str, str, str, str]]:
    """Yield what a release names without saying where it comes from."""
    for system_package in release.packages.system:
        if system_package.file:
            purpose = _(
                "package {package} for the system in the image", package=system_package.package
            )
            yield system_package.file, purpose, _(DISTRIBUTION), ""
    for entry in release.weights:
        if not weights.find_origin(entry, options):
            origin = entry.url or entry.repository or _("where the tutorial of the model says")
            yield entry.folder, _("weights {name}", name=entry.name), origin, ""
    for source in release.sources:
        if source.bundle and not source.url:
            yield source.bundle, _("git bundle of {source}", source=source.name), _(SUPPORT), ""
    for patch in release.patches:
        if patch.store:
            purpose = _("replaces {path}", path=patch.file)
            yield patch.store, purpose, _("the tutorial of the release"), ""


def _measure(path: Path) -> int | None:
    """Return the bytes of a file or folder; None if there is none, or an empty folder."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        return sum(file.stat().st_size for file in files) if files else None
    return path.stat().st_size if path.is_file() else None
