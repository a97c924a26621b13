"""The Python of an image: its version, and the packages that it has."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from fleet.store.image_files import ImageFiles

#: Files that say what is installed; everything else in a layer is passed over.
DESCRIPTION = re.compile(
    r".*\.dist-info/METADATA|.*(?:\.egg-info|/EGG-INFO)/(?:PKG-INFO|requires\.txt)|"
    r".*-packages/[^/]+\.(?:egg-info|egg-link)|.*/pyvenv\.cfg"
)
INSTALLED_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9._]+)-(?P<version>[^-/]+)(?:-py[0-9.]+)?[^/]*\.(?:dist-info|egg-info|egg)"
)
#: Names that the Python packaging standards allow.
PACKAGE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
PYTHON_LIBRARY = re.compile(r"python(3\.\d+)")


@dataclass(frozen=True)
class InstalledPackage:
    """A Python package in an image.

    Attributes:
        name: normalized name.
        version: its version; "" if unknown.
        requires: requirement strings of the packages that it needs.
    """

    name: str
    version: str = ""
    requires: tuple[str, ...] = ()


class ImagePython:
    """The Python interpreter of a release in the files of its image.

    Args:
        program: absolute path of the interpreter.
        files: files of the image.
        texts: contents of the small files that :data:`DESCRIPTION` matches, by absolute path.
    """

    def __init__(self, program: str, files: ImageFiles, texts: Mapping[str, str]) -> None:
        self._files, self._texts = files, texts
        self._programs = files.follow(program)  # python -> python3 -> /usr/bin/python3.7
        self._prefix = str(PurePosixPath(program).parent.parent)
        self._settings = self._read_settings()
        self.version = self._find_version()

    def _read_settings(self) -> dict[str, str]:
        """Read the settings of a virtual environment; empty for another Python."""
        lines = self._read(f"{self._prefix.rstrip('/')}/pyvenv.cfg").splitlines()
        pairs = (line.partition("=") for line in lines)
        return {key.strip().lower(): value.strip() for key, _, value in pairs}

    def _read(self, path: str) -> str:
        return self._texts.get(self._files.resolve(path) or "", "")

    def _find_version(self) -> str:
        """Determine the version, such as "3.7", by the program, else by its library."""
        for program in self._programs:
            if version := re.search(r"python(3\.\d+)$", program):
                return version[1]
        if version := re.match(r"3\.\d+", self._settings.get("version", "")):
            return version[0]
        prefix = self._prefix.rstrip("/")
        libraries = [name for lib in ("lib", "lib64") for name in self._list(f"{prefix}/{lib}")]
        versions = {found[1] for name in libraries if (found := PYTHON_LIBRARY.fullmatch(name))}
        return versions.pop() if len(versions) == 1 else ""

    def _list(self, folder: str) -> list[str]:
        return self._files.list_folder(folder)

    def _list_prefixes(self) -> Iterator[str]:
        """Yield the folders whose packages this Python imports."""
        if not self._settings:  # not a virtual environment: where the program really is
            for program in (self._programs[0], self._programs[-1]):
                yield from self._list_system_prefixes(program)
            return
        yield self._prefix
        if self._settings.get("include-system-site-packages", "").lower() == "true":
            yield from self._list_system_prefixes(f"{self._settings.get('home', '/usr/bin')}/x")

    @staticmethod
    def _list_system_prefixes(program: str) -> Iterator[str]:
        prefix = str(PurePosixPath(program).parent.parent)
        yield from (["/usr/local", "/usr"] if prefix in ("/", "/usr") else [prefix])

    def list_packages(self) -> dict[str, InstalledPackage]:
        """List the packages that this Python imports.

        Returns:
            The packages by normalized name; of two, the one that comes first.
        """
        packages: dict[str, InstalledPackage] = {}
        for prefix in dict.fromkeys(self._list_prefixes()):
            base = prefix.rstrip("/")
            for library in (f"python{self.version}", "python3"):  # Debian has python3
                for lib in ("lib", "lib64"):
                    for kind in ("site-packages", "dist-packages"):
                        self._add_folder(f"{base}/{lib}/{library}/{kind}", packages)
        return packages

    def _add_folder(self, folder: str, packages: dict[str, InstalledPackage]) -> None:
        for name in self._list(folder):
            package = self._read_package(f"{folder}/{name}", name)
            if package:
                packages.setdefault(package.name, package)

    def _read_package(self, path: str, name: str) -> InstalledPackage | None:
        if name.endswith(".egg-link"):  # installed in place: the link names the folder
            return self._read_linked(name.removesuffix(".egg-link"), self._read(path))
        if not name.endswith((".dist-info", ".egg-info", ".egg")):
            return None
        about = f"{path}/EGG-INFO" if name.endswith(".egg") else path
        named = INSTALLED_NAME.fullmatch(name)
        return self._parse(about, named["name"] if named else "", named["version"] if named else "")

    def _read_linked(self, name: str, link: str) -> InstalledPackage | None:
        folder = link.partition("\n")[0].strip()
        found = next((n for n in self._list(folder) if n.endswith(".egg-info")), "")
        return self._parse(f"{folder}/{found}", name, "")

    def _parse(self, about: str, name: str, version: str) -> InstalledPackage | None:
        """Read the description in a folder, or the one that is a file by itself."""
        for path in (f"{about}/METADATA", f"{about}/PKG-INFO", about):
            if text := self._read(path):
                break
        fields = email.message_from_string(text.partition("\n\n")[0])
        name = str(fields.get("Name") or name)
        version = str(fields.get("Version") or version)
        requires = [*map(str, fields.get_all("Requires-Dist") or ())]
        requires += parse_egg_requires(self._read(f"{about}/requires.txt"))
        if not PACKAGE_NAME.fullmatch(name):
            return None
        return InstalledPackage(canonicalize_name(name), version, tuple(requires))


def parse_egg_requires(text: str) -> list[str]:
    """Read the requires.txt of setuptools.

    Args:
        text: its content: requirements, in sections such as `[extra:marker]`.

    Returns:
        The requirements with their markers; lines that are none are left out.
    """
    requirements, section = [], ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
            continue
        extra, _, marker = section.partition(":")
        markers = [f'extra == "{extra}"'] if extra else []
        markers += [f"({marker})"] if marker else []
        try:
            requirement = Requirement(line)
            joined = " and ".join(markers)
            if joined and not requirement.marker:
                requirement = Requirement(f"{line} ; {joined}")
        except InvalidRequirement:
            continue
        requirements.append(str(requirement))
    return requirements
