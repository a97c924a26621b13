"""The files that a release uses of a store, each checked for what it is used as."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleet.documents import loading
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.release import driver_packages, operating_systems
from fleet.release.model import DriverPackage, Release
from fleet.release.operating_systems import OperatingSystem
from fleet.store import paths, system_packages, weights, wheels
from fleet.store.image_archive import Image
from fleet.store.paths import Warn
from fleet.text.word_lists import join_words

#: rpm's name of a processor architecture -> docker's
DOCKER_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
#: largest file that replaces a file of a source
MAX_PATCH_BYTES = 16 << 20

#: a driver of the table of driver packages: system, architecture, package
TableDriver = tuple[OperatingSystem, str, DriverPackage]


class StoreContents:
    """The files of a release in a store.

    Args:
        release: the release.
        store: folder of the store.
        warn: called with a line for each thing that may be wrong.

    Attributes:
        names: path below the store of every file, in the order in which they are measured.
        weights: what is in the folder of each weights, in the order of the release.

    Raises:
        InvalidInput: a file is missing, or could not work on a host.
    """

    def __init__(self, release: Release, store: Path, warn: Warn) -> None:
        self.release, self.store, self._warn = release, store, warn
        self.weights: list[weights.Inspection] = []
        table_drivers = [
            driver
            for driver in driver_packages.list_from_table(release)
            if loading.is_file(store / driver[2].file)
        ]
        self._check_complete(has_driver=bool(table_drivers))
        driver_files = [package.file for _system, _architecture, package in table_drivers]
        self.names = list(dict.fromkeys([*driver_files, *self._listed_files()]))
        paths.check_usable([store / name for name in self.names], store, warn)
        for patch in release.patches:
            if patch.store:
                loading.read_text(store / patch.store, MAX_PATCH_BYTES)
        architectures = self._check_drivers(table_drivers)
        self._driver_architectures = {
            DOCKER_ARCHITECTURES.get(name, name)
            for names in architectures.values()
            for name in names
        }
        self._add_weights()
        self._add_wheels()
        self._add_package_folders(architectures)
        for package in release.packages.system:
            if package.file:
                path = store / package.file
                info = system_packages.read_package(path)
                system_packages.check_package(path, info, name=package.package, family="deb")

    @property
    def architecture(self) -> str:
        """Docker's name of the drivers' processor architecture; of several, amd64."""
        known = self._driver_architectures
        return next(iter(known)) if len(known) == 1 else "amd64"

    def check_image(self, image: Image) -> None:
        """Check that the drivers fit the image.

        Args:
            image: the image that was found in its archive.
        """
        drivers, archive = self._driver_architectures, self.release.image.file
        if image.architecture and drivers and image.architecture not in drivers:
            place = self.store / archive if archive else self.release.image.registry
            self._warn(
                _(
                    "{place}: the image is for {architecture}, but the drivers are for {drivers}",
                    place=place,
                    architecture=image.architecture,
                    drivers=join_words(sorted(drivers)),
                )
            )

    def _listed_files(self) -> Iterator[str]:
        """Yield the files that the release names one by one."""
        release = self.release
        yield from (package.file for package in release.driver.packages.values())
        if release.image.file:
            yield release.image.file
        yield from (source.bundle for source in release.sources if source.bundle)
        yield from (p.file for p in release.packages.system if p.file)
        yield from (p.wheel for p in release.packages.pip if p.wheel and "://" not in p.wheel)
        yield from (patch.store for patch in release.patches if patch.store)

    def _check_complete(self, has_driver: bool) -> None:
        """Raise InvalidInput with a list of everything that is missing."""
        release = self.release
        missing = [
            name
            for name in self._listed_files()
            if not (self.store / name).exists() and not (self.store / name).is_symlink()
        ]
        folders = [weights.folder for weights in release.weights]
        folders += [release.packages.wheelhouse] if release.packages.wheelhouse else []
        folders += [*release.engine.packages.values(), *release.driver.headers.values()]
        missing += [
            f"{folder}/" for folder in dict.fromkeys(folders) if not (self.store / folder).is_dir()
        ]
        if not has_driver and not release.driver.packages:
            example = next(driver_packages.list_from_table(release))[2].file
            missing.append(
                _("a driver for at least one operating system: {example}, …", example=example)
            )
        if missing:
            listed = "\n  ".join(missing)
            raise InvalidInput(
                _(
                    "{store}: files of release {release} are missing:\n  {files}\n"
                    "`mlufleet gather {release}` downloads what it can, and lists where to get "
                    "the rest",
                    store=self.store,
                    release=release.name,
                    files=listed,
                )
            )

    def _check_drivers(self, table_drivers: list[TableDriver]) -> dict[str, set[str]]:
        """Check each driver package; return their architectures by operating system."""
        version = self.release.driver.version
        architectures: dict[str, set[str]] = {}
        for key, package in self.release.driver.packages.items():
            path, system = self.store / package.file, operating_systems.find_by_key(key)
            info = system_packages.read_package(path)
            system_packages.check_package(
                path,
                info,
                name=package.package,
                version=version,
                family=system.family if system else "",
                architectures=system.architectures.values() if system else (),
            )
            architectures.setdefault(key, set()).add(info.architecture)
        for table_system, architecture, package in table_drivers:
            path, expected = self.store / package.file, table_system.architectures[architecture]
            system_packages.check_package(
                path,
                system_packages.read_package(path),
                name=package.package,
                version=version,
                family=table_system.family,
                architectures=[expected],
            )
            architectures.setdefault(table_system.name, set()).add(expected)
        return architectures

    def _add_weights(self) -> None:
        for entry in self.release.weights:
            names = self._list_folder(entry.folder)
            inspection = weights.inspect_files(self.store / entry.folder, names, self._warn)
            self.weights.append(inspection)
            self._add_names(entry.folder, names)

    def _add_wheels(self) -> None:
        packages = self.release.packages
        if packages.wheelhouse:
            folder = self.store / packages.wheelhouse
            # what an empty folder lacks is told with everything else that the packages need
            if names := paths.list_files(folder, self.store, self._warn):
                wheels.check_folder(folder, names, self._warn)
            self._add_names(packages.wheelhouse, names)
        wheels.check_wheels(
            self.store / pip.wheel for pip in packages.pip if pip.wheel and "://" not in pip.wheel
        )

    def _add_package_folders(self, architectures: dict[str, set[str]]) -> None:
        release = self.release
        for key, folder in (*release.engine.packages.items(), *release.driver.headers.items()):
            self._add_names(folder, self._check_package_folder(key, folder, architectures))

    def _list_folder(self, folder: str) -> list[str]:
        names = paths.list_files(self.store / folder, self.store, self._warn)
        if not names:
            raise InvalidInput(_("{path}: the folder is empty", path=self.store / folder))
        return names

    def _add_names(self, folder: str, names: list[str]) -> None:
        added = dict.fromkeys(f"{folder.rstrip('/')}/{name}" for name in names)
        self.names = list(dict.fromkeys(self.names) | added)

    def _check_package_folder(
        self, key: str, folder: str, architectures: dict[str, set[str]]
    ) -> list[str]:
        """Check the packages in the folder of an operating system; other files are ignored."""
        path = self.store / folder
        system = operating_systems.find_by_key(key)
        family = system.family if system else ""
        suffixes = (f".{family}",) if family else (".deb", ".rpm")
        names = [name for name in self._list_folder(folder) if name.endswith(suffixes)]
        if not names:
            raise InvalidInput(
                _(
                    "{path}: no packages for {system} (files that end in {suffixes})",
                    path=path,
                    system=key,
                    suffixes=_(" or ").join(suffixes),
                )
            )
        allowed = architectures.get(key) or (
            set(system.architectures.values()) if system else set()
        )
        examples: dict[str, str] = {}
        for name in names:
            info = system_packages.read_package(path / name)
            system_packages.check_package(path / name, info, family=family, architectures=allowed)
            if info.architecture not in ("", *system_packages.ANY_ARCHITECTURE):
                examples.setdefault(info.architecture, name)
        if len(examples) > 1:
            listed = " and ".join(f"{name} ({arch})" for arch, name in examples.items())
            raise InvalidInput(
                _(
                    "{path}: packages of several architectures, although each host gets "
                    "all of them: {packages}",
                    path=path,
                    packages=listed,
                )
            )
        return names
