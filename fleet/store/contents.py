"""What a release takes of a store, and whether each of it is what it is taken for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleet.documents import loading
from fleet.errors import InvalidInput
from fleet.release import driver_packages, operating_systems
from fleet.release.model import DriverPackage, Release
from fleet.release.operating_systems import OperatingSystem
from fleet.store import paths, system_packages, weights, wheels
from fleet.store.image_archive import Image
from fleet.store.paths import Warn

#: docker's names of machines, by those of rpm
DOCKER_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
#: bytes of a file that replaces another one
MAX_PATCH_BYTES = 16 << 20


class StoreContents:
    """The files of a release in a store.

    :raises InvalidInput: one is missing, or is not what it is taken for
    """

    def __init__(self, release: Release, store: Path, warn: Warn) -> None:
        self.release, self.store, self._warn = release, store, warn
        tabled = [
            (system, architecture, one)
            for system, architecture, one in driver_packages.list_from_table(release)
            if loading.is_file(store / one.file)
        ]
        self._check_complete(bool(tabled))
        #: path below the store of every file, in the order in which they are read
        self.names = list(
            dict.fromkeys([*(one.file for _, _, one in tabled), *self._listed_files()])
        )
        paths.check_usable([store / name for name in self.names], store, warn)
        for patch in release.patches:
            if patch.store:
                loading.read_text(store / patch.store, MAX_PATCH_BYTES)
        machines = dict(self._check_drivers(tabled))
        #: docker's names of the machines that have a driver
        self._driver_architectures = {
            DOCKER_ARCHITECTURES.get(word, word) for words in machines.values() for word in words
        }
        for folder in release.weights:
            found = self._list_folder(folder.folder)
            weights.check_files(store / folder.folder, found, warn)
            self._add_names(folder.folder, found)
        if wheelhouse := release.packages.wheelhouse:
            self._wheel_names = self._list_folder(wheelhouse)
            wheels.check_folder(store / wheelhouse, self._wheel_names, warn)
            self._add_names(wheelhouse, self._wheel_names)
        self._direct_wheels = [
            store / pip.wheel
            for pip in release.packages.pip
            if pip.wheel and "://" not in pip.wheel
        ]
        wheels.check_wheels(self._direct_wheels)
        for system, place in (*release.engine.packages.items(), *release.driver.headers.items()):
            self._add_names(place, self._check_package_folder(system, place, machines))
        for package in release.packages.system:
            if package.file:
                path = store / package.file
                system_packages.check_package(
                    path, system_packages.read_package(path), name=package.package, family="deb"
                )

    def check_image(self, image: Image) -> None:
        """Tell what does not go with the image that was found in its archive.

        :raises InvalidInput: it cannot
        """
        packages = self.release.packages
        wheels.check_supported(self._direct_wheels, image)
        if packages.wheelhouse:
            place = self.store / packages.wheelhouse
            wheels.check_requirements(place, self._wheel_names, packages, image, self._warn)
        if (
            image.architecture
            and self._driver_architectures
            and image.architecture not in self._driver_architectures
        ):
            self._warn(
                f"{self.store / self.release.image.file}: for {image.architecture}, and the "
                f"drivers are for {', '.join(sorted(self._driver_architectures))}"
            )

    def _listed_files(self) -> Iterator[str]:
        release = self.release
        yield from (package.file for package in release.driver.packages.values())
        yield release.image.file
        yield from (source.bundle for source in release.sources if source.bundle)
        yield from (p.file for p in release.packages.system if p.file)
        yield from (p.wheel for p in release.packages.pip if p.wheel and "://" not in p.wheel)
        yield from (patch.store for patch in release.patches if patch.store)

    def _check_complete(self, driver: bool) -> None:
        """:raises InvalidInput: something is missing; all that is is named"""
        release = self.release
        missing = [
            name
            for name in self._listed_files()
            if not (self.store / name).exists() and not (self.store / name).is_symlink()
        ]
        places = [weights.folder for weights in release.weights]
        places += [release.packages.wheelhouse] if release.packages.wheelhouse else []
        places += [*release.engine.packages.values(), *release.driver.headers.values()]
        missing += [
            f"{place}/" for place in dict.fromkeys(places) if not (self.store / place).is_dir()
        ]
        if not driver and not release.driver.packages:
            example = next(driver_packages.list_from_table(release))[2].file
            missing.append(f"the driver of one system at least: {example}, …")
        if missing:
            listed = "\n  ".join(missing)
            raise InvalidInput(
                f"{self.store}: release {release.name} needs files that are not there:\n  {listed}"
            )

    def _check_drivers(
        self, tabled: list[tuple[OperatingSystem, str, DriverPackage]]
    ) -> Iterator[tuple[str, set[str]]]:
        """Architectures of the drivers by system, each driver looked at."""
        version = self.release.driver.version
        found: dict[str, set[str]] = {}
        for name, own in self.release.driver.packages.items():
            path, system = self.store / own.file, operating_systems.find_by_key(name)
            read, words = (
                system_packages.read_package(path),
                system.architectures.values() if system else (),
            )
            system_packages.check_package(
                path,
                read,
                name=own.package,
                version=version,
                family=system.family if system else "",
                architectures=words,
            )
            found.setdefault(name, set()).add(read.architecture)
        for row, architecture, one in tabled:
            path, word = self.store / one.file, row.architectures[architecture]
            system_packages.check_package(
                path,
                system_packages.read_package(path),
                name=one.package,
                version=version,
                family=row.family,
                architectures=[word],
            )
            found.setdefault(row.name, set()).add(word)
        yield from found.items()

    def _list_folder(self, place: str) -> list[str]:
        found = paths.list_files(self.store / place, self.store, self._warn)
        if not found:
            raise InvalidInput(f"{self.store / place}: has no files")
        return found

    def _add_names(self, place: str, names: list[str]) -> None:
        taken = dict.fromkeys(self.names)
        self.names = list(taken | dict.fromkeys(f"{place.rstrip('/')}/{name}" for name in names))

    def _check_package_folder(
        self, system: str, place: str, machines: dict[str, set[str]]
    ) -> list[str]:
        """Packages in the folder of a system; what lies beside them is nobody's."""
        row = operating_systems.find_by_key(system)
        family = row.family if row else ""
        endings = (f".{family}",) if family else (".deb", ".rpm")
        found = [n for n in self._list_folder(place) if n.endswith(endings)]
        if not found:
            raise InvalidInput(
                f"{self.store / place}: has no package of {system} (no file that "
                f"ends in {' or '.join(endings)})"
            )
        may = machines.get(system) or (set(row.architectures.values()) if row else set())
        seen: dict[str, str] = {}
        for name in found:
            path = self.store / place / name
            package = system_packages.read_package(path)
            system_packages.check_package(path, package, family=family, architectures=may)
            if package.architecture not in ("", *system_packages.ANY_ARCHITECTURE):
                seen.setdefault(package.architecture, name)
        if len(seen) > 1:
            said = " and ".join(f"{name} ({word})" for word, name in seen.items())
            raise InvalidInput(
                f"{self.store / place}: has packages of several architectures, and "
                f"hosts are given all of them: {said}"
            )
        return found
