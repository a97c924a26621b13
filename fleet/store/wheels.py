"""Wheels that pip can install in the image, with no index to ask."""

from __future__ import annotations

import email
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging import tags, utils
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from fleet.errors import InvalidInput
from fleet.release.model import Packages
from fleet.store import file_types
from fleet.store.image_archive import Image
from fleet.store.paths import Warn, format_path

#: bytes of a wheel's description
MAX_METADATA_BYTES = 4 << 20
#: rpm's names of machines, which are Python's, by those of docker
PYTHON_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tgz")


@dataclass(frozen=True)
class WheelFile:
    """A wheel by its name, and what it says it needs."""

    path: Path

    @cached_property
    def parsed_name(self) -> tuple[str, Version, frozenset[tags.Tag]]:
        """:raises InvalidInput: it is no wheel's name"""
        try:
            if not re.fullmatch(r"[A-Za-z0-9._+!-]+", self.path.name):
                raise ValueError("a browser's second one")
            name, version, _, fits = utils.parse_wheel_filename(self.path.name)
        except (utils.InvalidWheelFilename, InvalidVersion, ValueError) as error:
            raise InvalidInput(
                f"{format_path(self.path)}: not the name of a wheel (NAME-VERSION-PYTHON-"
                "ABI-PLATFORM.whl), so pip passes it by: give it its own name "
                "again"
            ) from error
        return name, version, fits

    def read_metadata(self) -> email.message.Message:
        """Its description.

        :raises InvalidInput: it is no whole wheel
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                inside = next(
                    one
                    for one in archive.infolist()
                    if one.filename.endswith(".dist-info/METADATA")
                )
                with archive.open(inside) as stream:
                    text = stream.read(MAX_METADATA_BYTES).decode(errors="replace")
            return email.message_from_string(text)
        except (
            OSError,
            zipfile.BadZipFile,
            StopIteration,
            RuntimeError,
            NotImplementedError,
            ValueError,
            EOFError,
        ) as error:
            with self.path.open("rb") as content:
                what = file_types.describe_content(content.read(file_types.HEAD_BYTES))
            again = "" if ": " in what else ": fetch it again"
            raise InvalidInput(
                f"{format_path(self.path)}: no whole wheel: {what}{again}"
            ) from error


@dataclass(frozen=True)
class PythonTarget:
    """What runs wheels: a Python, a machine and a C library."""

    version: str
    machine: str
    glibc: str = ""

    @classmethod
    def from_image(cls, image: Image) -> PythonTarget:
        return cls(
            image.python_version,
            PYTHON_MACHINES.get(image.architecture, "x86_64"),
            image.glibc_version,
        )

    def __str__(self) -> str:
        libc = f", glibc {self.glibc}" if self.glibc else ""
        return f"Python {self.version} on {self.machine}{libc}"

    @cached_property
    def supported_tags(self) -> frozenset[tags.Tag]:
        major, minor = map(int, self.version.split("."))
        newest = int(self.glibc.split(".")[1]) if self.glibc else 60
        places = [f"manylinux_2_{number}_{self.machine}" for number in range(newest, 4, -1)]
        older = ("manylinux2014", "manylinux2010", "manylinux1", "linux")
        places += [f"{kind}_{self.machine}" for kind in older]
        version, name = (major, minor), f"cp{major}{minor}"
        abis = [f"{name}m" if version < (3, 8) else name]
        return frozenset(
            [
                *tags.cpython_tags(version, abis, places),
                *tags.compatible_tags(version, name, places),
            ]
        )

    @cached_property
    def marker_environment(self) -> dict[str, str]:
        """What markers of requirements are about."""
        return {
            "python_version": self.version,
            "python_full_version": f"{self.version}.0",
            "implementation_version": f"{self.version}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_release": "",
            "platform_version": "",
            "platform_machine": self.machine,
            "extra": "",
        }

    def can_install(self, wheel: WheelFile) -> bool:
        if not wheel.parsed_name[2] & self.supported_tags:
            return False
        try:
            needed = SpecifierSet(str(wheel.read_metadata().get("Requires-Python") or ""))
        except InvalidSpecifier:
            return True
        return needed.contains(f"{self.version}.99", prereleases=True)


def check_wheels(paths: Iterable[Path]) -> None:
    """:raises InvalidInput: one is no wheel, or not all of one"""
    for path in paths:
        wheel = WheelFile(path)
        _ = wheel.parsed_name
        wheel.read_metadata()


def check_folder(folder: Path, names: list[str], warn: Warn) -> None:
    """:raises InvalidInput: pip can install nothing of a folder"""
    made = [name for name in names if name.endswith(".whl")]
    if not made and not any(name.endswith(SDIST_SUFFIXES) for name in names):
        raise InvalidInput(f"{folder}: has no wheels: `pip download -d` fills it")
    check_wheels(folder / name for name in made)
    if not made:
        warn(f"{folder}: has no wheels, only sources: the image has to have what builds them")


def check_supported(paths: Iterable[Path], image: Image) -> None:
    """:raises InvalidInput: a wheel that the release names cannot be installed in its image"""
    python = PythonTarget.from_image(image)
    for path in paths if image.python_version else ():
        if not python.can_install(WheelFile(path)):
            raise InvalidInput(f"{path}: not for the image, which has {python}")


def check_requirements(
    folder: Path, names: list[str], packages: Packages, image: Image, warn: Warn
) -> None:
    """What the release installs is among the wheels, for the Python of its image.

    :raises InvalidInput: something that it names is there for another Python only
    """
    if not image.python_version:
        return
    python, usable, others = (
        PythonTarget.from_image(image),
        dict[str, WheelFile](),
        dict[str, WheelFile](),
    )
    versions: dict[str, list[Version]] = {}
    for name in names:
        if name.endswith(".whl"):
            wheel = WheelFile(folder / name)
            project, version, _ = wheel.parsed_name
            if not python.can_install(wheel):
                others[project] = wheel
                continue
            versions.setdefault(project, []).append(version)
            if project not in usable or usable[project].parsed_name[1] < version:
                usable[project] = wheel
    sources = {_parse_sdist_project(name) for name in names if name.endswith(SDIST_SUFFIXES)}
    for project, wanted, asked in _walk_requirements(packages, usable, python):
        if project in sources or project in image.installed_packages:
            continue
        if has := versions.get(project):
            if not any(wanted.specifier.contains(one, prereleases=True) for one in has):
                _report_version_mismatch(folder, wanted, has, asked, warn)
            continue
        if project in others and asked:
            raise InvalidInput(
                f"{others[project].path}: not for the image, which has {python}: `pip download "
                f"--only-binary=:all: --python-version {python.version} --platform "
                f"manylinux2014_{python.machine} -d {folder} '{wanted}'` gets one that is"
            )
        why = "is only there for another Python" if project in others else "is not there"
        warn(f"{folder}: {wanted} {why}, and the image ({python}) has none")


def _report_version_mismatch(
    folder: Path, wanted: Requirement, has: list[Version], asked: bool, warn: Warn
) -> None:
    """:raises InvalidInput: the release itself asks for it"""
    told = f"{folder}: has {wanted.name} {', '.join(map(str, sorted(has)))}, and not {wanted}"
    if asked:
        raise InvalidInput(f"{told}, which the release installs")
    warn(told)


def _parse_sdist_project(name: str) -> str:
    stem = next(name[: -len(ending)] for ending in SDIST_SUFFIXES if name.endswith(ending))
    return utils.canonicalize_name(stem.rpartition("-")[0])


def _walk_requirements(
    packages: Packages, usable: dict[str, WheelFile], python: PythonTarget
) -> Iterator[tuple[str, Requirement, bool]]:
    """What is installed by name and what that needs, each once, and whether it is named."""
    todo: list[tuple[str, bool, bool]] = [
        (text, True, pip.no_deps)
        for pip in packages.pip
        if not pip.find_links
        for text in pip.install
    ]
    seen: set[str] = set()
    while todo:
        text, asked, alone = todo.pop(0)
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        project = utils.canonicalize_name(wanted.name)
        if wanted.url or project in seen or not _marker_applies(wanted, python):
            continue
        seen.add(project)
        yield project, wanted, asked
        if project in usable and not alone:
            todo += [
                (one, False, False)
                for one in usable[project].read_metadata().get_all("Requires-Dist") or ()
            ]


def _marker_applies(wanted: Requirement, python: PythonTarget) -> bool:
    return not wanted.marker or wanted.marker.evaluate(python.marker_environment)
