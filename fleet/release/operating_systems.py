"""The operating systems that hosts may run, as listed in files/systems.yml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator

from fleet import paths
from fleet.documents import site_tables
from fleet.documents.types import Model, Name, RelativePath
from fleet.language import _
from fleet.release.model import DriverPackage
from fleet.text import word_lists

#: Name of the table in `files/`.
SYSTEMS_FILE = "systems.yml"
Value = TypeVar("Value")
NonEmptyStrings = Annotated[tuple[str, ...], Field(min_length=1)]


def _template_with(*names: str) -> AfterValidator:
    """Create a validator for format strings that contain exactly these names in braces."""

    def check(template: str) -> str:
        try:
            filled = template.format(**{name: f"\0{name}\0" for name in names})
        except (LookupError, ValueError):
            filled = ""
        if not all(f"\0{name}\0" in filled for name in names):
            placeholders = word_lists.join_words(f"{{{name}}}" for name in names)
            raise ValueError(
                _(
                    "{template!r} must contain {placeholders} and no other braces",
                    template=template,
                    placeholders=placeholders,
                )
            )
        return template

    return AfterValidator(check)


class OperatingSystem(Model):
    """One operating system: how it is recognized, and how its packages are named."""

    #: Its name in the vendor's package names and in `driver.packages` of releases.
    name: Name
    #: Its name for people.
    title: str
    #: ID in /etc/os-release.
    id: Name
    #: VERSION_ID in /etc/os-release, or its part before a dot.
    version: Name
    #: Format of its packages.
    family: Literal["deb", "rpm"]
    #: Package manager.
    tool: Literal["apt-get", "yum", "dnf"]
    #: Name of the driver package, with {system}.
    package: Annotated[str, _template_with("system")]
    #: Name of the driver file, with {system}, {version} and {arch}.
    file: Annotated[str, _template_with("system", "version", "arch")]
    #: Name of the package with kernel headers, with {kernel}.
    headers: Annotated[str, _template_with("kernel")]
    #: Packages in its own repositories that provide Docker; the first available one is used.
    docker: NonEmptyStrings
    #: Folder below /lib/modules/KERNEL where DKMS installs modules.
    modules: RelativePath
    #: Architecture as `uname -m` prints it -> the vendor's name in file names.
    architectures: Annotated[dict[Name, Name], Field(min_length=1)]
    #: Architectures on which this has not been tested.
    untested: tuple[Name, ...] = ()
    #: Where the facts come from.
    sources: NonEmptyStrings
    #: Which of the facts are inferred from other systems.
    inferred: str = ""

    @model_validator(mode="after")
    def _check_untested(self) -> OperatingSystem:
        if unknown := set(self.untested) - set(self.architectures):
            names = word_lists.join_words(sorted(unknown))
            raise ValueError(_("untested: {names} is not listed in architectures", names=names))
        return self

    def matches(self, os: str, version: str) -> bool:
        """Check whether a host runs this system.

        Args:
            os: ID in the host's /etc/os-release.
            version: VERSION_ID there.

        Returns:
            True if both match; 7.9 matches version 7.
        """
        return os == self.id and f"{version}.".startswith(f"{self.version}.")

    def driver_package(self, version: str, architecture: str) -> DriverPackage:
        """Build the name of the vendor's driver package.

        Args:
            version: Driver version.
            architecture: A key of `architectures`.

        Returns:
            The package.
        """
        arch = self.architectures[architecture]
        file = self.file.format(system=self.name, version=version, arch=arch)
        return DriverPackage(file=file, package=self.package.format(system=self.name))


class SystemsTable(Model):
    """The content of files/systems.yml."""

    #: All systems, each with the fields of its family filled in.
    systems: Annotated[tuple[OperatingSystem, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _merge_families(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("systems"), list):
            return data
        families = data.get("families")
        if not isinstance(families, dict):
            raise ValueError(_("families: expected a mapping"))
        systems = []
        for row in data["systems"]:
            defaults = families.get(str(row.get("family"))) if isinstance(row, dict) else None
            systems.append({**defaults, **row} if isinstance(defaults, dict) else row)
        return {**{k: v for k, v in data.items() if k != "families"}, "systems": systems}

    @model_validator(mode="after")
    def _check_unique(self) -> SystemsTable:
        for number, system in enumerate(self.systems):
            for other in self.systems[:number]:
                same = other.matches(system.id, system.version)
                if same or system.matches(other.id, other.version) or other.name == system.name:
                    raise ValueError(
                        _(
                            "{system} and {other} are the same system",
                            system=system.name,
                            other=other.name,
                        )
                    )
        return self


def load_table(file: Path | None = None) -> tuple[OperatingSystem, ...]:
    """Load the table of operating systems.

    Args:
        file: Another table; files/systems.yml by default.

    Returns:
        The systems, those of the site first. A system of the site replaces the one with the same
        name.

    Raises:
        InvalidInput: The file is invalid.
    """
    files = (file,) if file else paths.find_existing(SYSTEMS_FILE)
    return site_tables.load_table(SystemsTable, files, {"systems": "name"}).systems


def find_system(os: str, version: str) -> OperatingSystem | None:
    """Find the system of a host.

    Args:
        os: ID in the host's /etc/os-release.
        version: VERSION_ID there.

    Returns:
        The system; None if the table does not have it.
    """
    return next((system for system in load_table() if system.matches(os, version)), None)


def find_by_family(family: str) -> OperatingSystem:
    """Find any system of a family, for what all systems of the family share.

    Args:
        family: "deb" or "rpm".

    Returns:
        The first one in the table.
    """
    return next(system for system in load_table() if system.family == family)


def list_keys(os: str, version: str) -> tuple[str, ...]:
    """List the names by which a release may refer to a host's system.

    Args:
        os: ID in the host's /etc/os-release.
        version: VERSION_ID there.

    Returns:
        The names, the most specific first.
    """
    system = find_system(os, version)
    return (f"{os}{version}", *([system.name] if system else []))


def select_for_system(values: Mapping[str, Value], os: str, version: str) -> Value | None:
    """Select the value for a host's system from a mapping in a release.

    Args:
        values: Name of a system -> value.
        os: ID in the host's /etc/os-release.
        version: VERSION_ID there.

    Returns:
        The value of the most specific name; None if there is none.
    """
    return next((values[key] for key in list_keys(os, version) if key in values), None)


def find_by_key(key: str) -> OperatingSystem | None:
    """Find the system that a release refers to.

    Args:
        key: One of the names that :func:`list_keys` returns.

    Returns:
        The system; None if the table does not have it.
    """
    for system in load_table():
        version = key.removeprefix(system.id)
        if key == system.name or (version != key and system.matches(system.id, version)):
            return system
    return None
