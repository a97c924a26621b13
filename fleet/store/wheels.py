"""Wheels, and the Python that they are installed in."""

from __future__ import annotations

import email
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging import tags, utils
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from typing_extensions import override

from fleet.errors import InvalidInput
from fleet.language import _, english
from fleet.store import file_types
from fleet.store.image_archive import Image
from fleet.store.paths import Warn, format_path

#: bound of a wheel's METADATA file
MAX_METADATA_BYTES = 4 << 20
#: docker's name of a processor architecture -> Python's
PYTHON_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
#: a local version as older tools wrote it into a file name (PEP 427): "_" for "+". The vendor's
#: wheels are named like this, and the pip of its images installs them
OLD_LOCAL_VERSION = re.compile(r"^([^-]+-[0-9][^-_]*)_(?=[^-]+-)")
SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tgz")


@dataclass(frozen=True)
class WheelFile:
    """A wheel.

    Attributes:
        path: the file; pip needs its original name.
    """

    path: Path

    @cached_property
    def parsed_name(self) -> tuple[str, Version, frozenset[tags.Tag]]:
        """Project, version and compatibility tags.

        Raises:
            InvalidInput: it is not the name of a wheel.
        """
        try:
            if not re.fullmatch(r"[A-Za-z0-9._+!-]+", self.path.name):
                raise ValueError("a browser adds (1) to a second download")
            standard_name = OLD_LOCAL_VERSION.sub(r"\1+", self.path.name)
            name, version, _build, wheel_tags = utils.parse_wheel_filename(standard_name)
        except (utils.InvalidWheelFilename, InvalidVersion, ValueError) as error:
            raise InvalidInput(
                _(
                    "{path}: not the name of a wheel "
                    "(NAME-VERSION-PYTHON-ABI-PLATFORM.whl), so pip ignores it: restore "
                    "its original name",
                    path=format_path(self.path),
                )
            ) from error
        return name, version, wheel_tags

    def read_metadata(self) -> email.message.Message:
        """Read the METADATA file in the wheel.

        Returns:
            Its fields, such as Requires-Dist.

        Raises:
            InvalidInput: the file is not a complete wheel.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                member = next(
                    info
                    for info in archive.infolist()
                    if info.filename.endswith(".dist-info/METADATA")
                )
                with archive.open(member) as stream:
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
                description = file_types.describe_content(content.read(file_types.HEAD_BYTES))
            # most descriptions end with a remedy
            remedy = "" if ": " in english(description) else _(": fetch it again")
            raise InvalidInput(
                _(
                    "{path}: not a complete wheel: {description}{remedy}",
                    path=format_path(self.path),
                    description=description,
                    remedy=remedy,
                )
            ) from error


@dataclass(frozen=True)
class PythonTarget:
    """The Python that wheels are installed in.

    Attributes:
        version: major and minor version, such as "3.7".
        machine: Python's name of the processor architecture.
        glibc: version of the C library, such as "2.17"; "" accepts wheels for any.
    """

    version: str
    machine: str
    glibc: str = ""

    @classmethod
    def from_image(cls, image: Image) -> PythonTarget:
        """Describe the Python of an image.

        Args:
            image: an image whose Python version is known.

        Returns:
            The Python.
        """
        machine = PYTHON_MACHINES.get(image.architecture, "x86_64")
        return cls(image.python_version, machine, image.glibc_version)

    @override
    def __str__(self) -> str:
        values = {"version": self.version, "machine": self.machine}
        if not self.glibc:
            return _("Python {version} on {machine}", **values)
        return _("Python {version} on {machine}, glibc {glibc}", glibc=self.glibc, **values)

    @property
    def _version_pair(self) -> tuple[int, int]:
        major, minor = map(int, self.version.split("."))
        return major, minor

    @property
    def abi(self) -> str:
        """Its ABI tag, such as "cp37m"."""
        interpreter = f"cp{self.version.replace('.', '')}"
        return f"{interpreter}m" if self._version_pair < (3, 8) else interpreter

    @property
    def platforms(self) -> list[str]:
        """Platform tags of the wheels that it can install, the newest C library first."""
        newest = int(self.glibc.split(".")[1]) if self.glibc else 60
        platforms = [f"manylinux_2_{number}_{self.machine}" for number in range(newest, 4, -1)]
        older = ("manylinux2014", "manylinux2010", "manylinux1", "linux")
        return [*platforms, *(f"{name}_{self.machine}" for name in older)]

    @property
    def pip_arguments(self) -> list[str]:
        """Arguments that make pip choose wheels for it.

        pip still evaluates environment markers for the Python that runs it: give it requirements
        whose markers were evaluated with :attr:`marker_environment`.
        """
        arguments = ["--only-binary=:all:", "--implementation=cp", f"--abi={self.abi}"]
        arguments.append(f"--python-version={self.version}")
        return arguments + [f"--platform={platform}" for platform in self.platforms]

    @cached_property
    def supported_tags(self) -> frozenset[tags.Tag]:
        """Compatibility tags of the wheels that it can install."""
        interpreter = f"cp{self.version.replace('.', '')}"
        return frozenset(
            [
                *tags.cpython_tags(self._version_pair, [self.abi], self.platforms),
                *tags.compatible_tags(self._version_pair, interpreter, self.platforms),
            ]
        )

    @cached_property
    def marker_environment(self) -> dict[str, str]:
        """Values for the environment markers of requirements (PEP 508)."""
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
        """Tell whether pip would accept a wheel.

        Args:
            wheel: the wheel.

        Returns:
            Whether its tags and its Requires-Python allow this Python.

        Raises:
            InvalidInput: the file is not a complete wheel.
        """
        if not wheel.parsed_name[2] & self.supported_tags:
            return False
        try:
            specifiers = SpecifierSet(str(wheel.read_metadata().get("Requires-Python") or ""))
        except InvalidSpecifier:
            return True
        return specifiers.contains(f"{self.version}.99", prereleases=True)


def check_wheels(paths: Iterable[Path]) -> None:
    """Check that files are complete wheels with a valid name.

    Args:
        paths: the files.

    Raises:
        InvalidInput: one is not.
    """
    for path in paths:
        wheel = WheelFile(path)
        _name = wheel.parsed_name
        wheel.read_metadata()


def check_folder(folder: Path, names: list[str], warn: Warn) -> None:
    """Check that pip can install something from a folder.

    Args:
        folder: the folder of wheels.
        names: names of its files.
        warn: called with a line for each thing that may be wrong.

    Raises:
        InvalidInput: the folder has nothing for pip, or a broken wheel.
    """
    wheel_names = [name for name in names if name.endswith(".whl")]
    if not wheel_names and not any(name.endswith(SDIST_SUFFIXES) for name in names):
        raise InvalidInput(
            _("{folder}: no wheels: fill it with `pip download -d {folder} …`", folder=folder)
        )
    check_wheels(folder / name for name in wheel_names)
    if not wheel_names:
        warn(
            _(
                "{folder}: no wheels, only sources: the image must contain what builds them",
                folder=folder,
            )
        )
