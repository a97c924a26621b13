"""Operating systems of hosts, as files/systems.yml has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator

from fleet import paths
from fleet.documents import site_tables
from fleet.documents.types import Model, Name, RelativePath
from fleet.release.model import DriverPackage

SYSTEMS_FILE = "systems.yml"
Value = TypeVar("Value")
NonEmptyStrings = Annotated[tuple[str, ...], Field(min_length=1)]


def _template_with(*names: str) -> AfterValidator:
    """A pattern that has each of these in braces, and nothing else."""

    def checked(pattern: str) -> str:
        try:
            made = pattern.format(**{name: f"\0{name}\0" for name in names})
        except (LookupError, ValueError):
            made = ""
        if not all(f"\0{name}\0" in made for name in names):
            raise ValueError(
                f"{pattern!r} must have {', '.join(f'{{{n}}}' for n in names)} and no other braces"
            )
        return pattern

    return AfterValidator(checked)


class OperatingSystem(Model):
    """One operating system: what it says it is, and what is named after it."""

    #: as the vendor writes it into names of packages, and releases into `driver.packages`
    name: Name
    #: for people
    title: str
    #: ID of /etc/os-release
    id: Name
    #: VERSION_ID, or what it begins with before a dot
    version: Name
    family: Literal["deb", "rpm"]
    #: what installs packages
    tool: Literal["apt-get", "yum", "dnf"]
    #: name of the driver's package, and of its file
    package: Annotated[str, _template_with("system")]
    file: Annotated[str, _template_with("system", "version", "arch")]
    #: package with the headers of a kernel
    headers: Annotated[str, _template_with("kernel")]
    #: packages of the system's own repositories that bring docker, the first that is there
    docker: NonEmptyStrings
    #: where dkms puts modules, below /lib/modules/KERNEL
    modules: RelativePath
    #: of `uname -m` -> the vendor's word
    architectures: Annotated[dict[Name, Name], Field(min_length=1)]
    #: of them, those that nobody has tried
    untested: tuple[Name, ...] = ()
    sources: NonEmptyStrings
    #: what of it nobody has seen
    inferred: str = ""

    @model_validator(mode="after")
    def _check_untested(self) -> OperatingSystem:
        if unknown := set(self.untested) - set(self.architectures):
            raise ValueError(f"untested: {', '.join(sorted(unknown))} is no architecture of it")
        return self

    def matches(self, os: str, version: str) -> bool:
        """Whether a host that says this ID and VERSION_ID is one."""
        return os == self.id and f"{version}.".startswith(f"{self.version}.")

    def driver_package(self, version: str, architecture: str) -> DriverPackage:
        """The vendor's package of a driver.

        :param architecture: a key of `architectures`
        """
        arch = self.architectures[architecture]
        file = self.file.format(system=self.name, version=version, arch=arch)
        return DriverPackage(file=file, package=self.package.format(system=self.name))


class SystemsTable(Model):
    systems: Annotated[tuple[OperatingSystem, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _merge_families(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("systems"), list):
            return data
        families = data.get("families")
        if not isinstance(families, dict):
            raise ValueError("families: a mapping is expected")
        rows = []
        for row in data["systems"]:
            words = families.get(str(row.get("family"))) if isinstance(row, dict) else None
            rows.append({**words, **row} if isinstance(words, dict) else row)
        return {**{k: v for k, v in data.items() if k != "families"}, "systems": rows}

    @model_validator(mode="after")
    def _check_unique(self) -> SystemsTable:
        for number, system in enumerate(self.systems):
            for other in self.systems[:number]:
                same = other.matches(system.id, system.version)
                if same or system.matches(other.id, other.version) or other.name == system.name:
                    raise ValueError(f"{system.name} and {other.name} are the same system")
        return self


def load_table(file: Path | None = None) -> tuple[OperatingSystem, ...]:
    """Return the operating systems, those of the site first.

    Args:
        file: Another table; `files/systems.yml` by default.

    Raises:
        InvalidInput: The file does not match the models.
    """
    files = (file,) if file else paths.find_existing(SYSTEMS_FILE)
    return site_tables.load_table(SystemsTable, files, {"systems": "name"}).systems


def find_system(os: str, version: str) -> OperatingSystem | None:
    """The system of a host by what its os-release says; None for one that is not in the table."""
    return next((system for system in load_table() if system.matches(os, version)), None)


def find_by_family(family: str) -> OperatingSystem:
    """Any system of a family, for what it shares with a system that is not in the table."""
    return next(system for system in load_table() if system.family == family)


def list_keys(os: str, version: str) -> tuple[str, ...]:
    """Names by which a release may call a host's system, the most exact first."""
    system = find_system(os, version)
    return (f"{os}{version}", *([system.name] if system else []))


def select_for_system(values: Mapping[str, Value], os: str, version: str) -> Value | None:
    """What a release says of a host's system, by the most exact of its names."""
    return next((values[key] for key in list_keys(os, version) if key in values), None)


def find_by_key(name: str) -> OperatingSystem | None:
    """The system that a release calls so; None for one that is not in the table."""
    return next(
        (
            system
            for system in load_table()
            if name == system.name
            or (name.startswith(system.id) and system.matches(system.id, name[len(system.id) :]))
        ),
        None,
    )
