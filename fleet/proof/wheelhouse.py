"""What pip may choose from: the wheels and source packages of a folder, for one Python."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fleet.language import _, join, text_of
from fleet.proof.pip_packages import Package, UnreadablePackage, read_source_package
from fleet.store.wheels import SDIST_SUFFIXES, PythonTarget, WheelFile
from fleet.text.word_lists import join_words


@dataclass
class Wheelhouse:
    """The packages of a folder.

    Attributes:
        folder: the folder.
        python: the Python that they are for.
        packages: usable packages by normalized name, each with the name of its file.
        unusable: files that this Python cannot install, by normalized name.
        sources: file names of source packages, by name and version.
        damaged: why a source package cannot be read, by its file name.
    """

    folder: Path
    python: PythonTarget
    packages: dict[str, list[tuple[Package, str]]] = field(default_factory=dict)
    unusable: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[tuple[str, str], str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, names: list[str], python: PythonTarget) -> Wheelhouse:
        """Read the packages of a folder.

        Args:
            folder: the folder.
            names: names of its files.
            python: the Python that they are for.

        Returns:
            The packages; pip does not look into folders below.
        """
        house = cls(folder, python)
        top = [name for name in names if "/" not in name]
        for name in top:
            if name.endswith(".whl"):
                house._add_wheel(name)
        for name in top:
            if name.endswith(SDIST_SUFFIXES):
                house._add_source(name)
        return house

    def read_wheel(self, wheel: WheelFile) -> Package:
        """Read a wheel.

        Args:
            wheel: the wheel.

        Returns:
            The package.
        """
        name, version, _tags = wheel.parsed_name
        needs = map(str, wheel.read_metadata().get_all("Requires-Dist") or ())
        return Package.from_requirements(name, str(version), needs, self.python.marker_environment)

    def _add_wheel(self, name: str) -> None:
        wheel = WheelFile(self.folder / name)
        if self.python.can_install(wheel):
            package = self.read_wheel(wheel)
            self.packages.setdefault(package.name, []).append((package, name))
        else:
            self.unusable.setdefault(wheel.parsed_name[0], []).append(name)

    def _add_source(self, name: str) -> None:
        try:
            package = read_source_package(self.folder / name, self.python.marker_environment)
        except UnreadablePackage as error:
            self.damaged[name] = text_of(error)
            return
        if package.version not in [
            other.version for other, _file in self.packages.get(package.name, ())
        ]:
            self.packages.setdefault(package.name, []).append((package, ""))
            self.sources[package.name, package.version] = name

    def write_wheels(self, folder: Path) -> None:
        """Write the metadata of all packages as wheels.

        Args:
            folder: where to write them.
        """
        for packages in self.packages.values():
            for package, file_name in packages:
                package.write_wheel(folder, file_name)

    def find(self, name: str, version: str) -> Package | None:
        """Find a package.

        Args:
            name: normalized name.
            version: its version.

        Returns:
            The package; None if the folder does not have it.
        """
        packages = (package for package, _file in self.packages.get(name, ()))
        return next((one for one in packages if Version(one.version) == Version(version)), None)

    def describe(self, name: str) -> str:
        """Describe what the folder has of a project.

        Args:
            name: normalized name.

        Returns:
            Its versions, and files that the image's Python cannot install.
        """
        versions = sorted(
            Version(package.version) for package, _file in self.packages.get(name, ())
        )
        parts = (
            [_("it has {name} {versions}", name=name, versions=join_words(versions))]
            if versions
            else []
        )
        if files := self.unusable.get(name):
            parts.append(
                _("{files} is not for {python}", files=join_words(files), python=str(self.python))
            )
        parts += [
            _("{file}: {reason}", file=file, reason=reason)
            for file, reason in self.damaged.items()
            if canonicalize_name(file).startswith(f"{name}-")
        ]
        return join("; ", parts) or _("it has no version of it")

    def format_download(self, requirements: list[str]) -> str:
        """Format the command that gets requirements into the folder.

        Args:
            requirements: the requirements.

        Returns:
            A shell command.
        """
        python = self.python
        platforms = ["manylinux2014"]
        if python.glibc and Version(python.glibc) > Version("2.17"):
            platforms.insert(0, f"manylinux_{python.glibc.replace('.', '_')}")
        options = [f"--platform {platform}_{python.machine}" for platform in platforms]
        quoted = " ".join(f"'{text}'" for text in requirements)
        return (
            f"pip download --only-binary=:all: --python-version {python.version} "
            f"{' '.join(options)} -d {self.folder} {quoted}"
        )


def list_candidate_versions(requirements: list[Requirement]) -> list[str]:
    """List versions of which one fits, whatever of some requirements has to be fulfilled.

    Args:
        requirements: requirements of one project.

    Returns:
        The versions that they name, those just above, the lowest and the highest.
    """
    found = {"0", "99999"}
    for requirement in requirements:
        for specifier in requirement.specifier:
            with suppress(InvalidVersion):  # `===` takes any text
                version = Version(specifier.version.removesuffix(".*"))
                found |= {str(version), f"{version.base_version}.1"}
    return sorted(found)
