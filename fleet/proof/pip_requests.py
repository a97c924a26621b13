"""What the pip lines of a release ask for, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement

from fleet.documents.field_errors import Location
from fleet.errors import InvalidInput
from fleet.language import _, text_of
from fleet.proof.python_projects import Project, read_project
from fleet.proof.requirement_files import (
    ReadText,
    Requested,
    UnknownText,
    parse_requirement,
    read_requirements,
)
from fleet.release import host_paths
from fleet.release.model import PipCommand, Release
from fleet.store.source_tree import SourceTree


@dataclass
class PipRequest:
    """What one pip line asks for.

    Attributes:
        number: index of the line in packages.pip.
        command: the line.
        requested: requirements by name.
        constraints: requirements that only limit versions.
        projects: projects that are installed in place.
        unknown: fields of the line whose needs are unknown, each with the reason.
    """

    number: int
    command: PipCommand
    requested: list[Requested] = field(default_factory=list)
    constraints: list[Requested] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    unknown: list[tuple[Location, str]] = field(default_factory=list)

    @property
    def location(self) -> Location:
        """The line in the release."""
        return ("packages", "pip", self.number)

    @property
    def requirements(self) -> list[Requirement]:
        """Everything that it asks for, with the dependencies of projects in place."""
        needs = [need for project in self.projects for need in project.requires]
        return [*(one.requirement for one in self.requested), *needs]

    def list_downloads(self, marker_environment: Mapping[str, str]) -> list[str]:
        """List the requirements that a wheelhouse needs files for.

        The dependencies of a project that is installed in place stand for the project.

        Args:
            marker_environment: values for environment markers, as PythonTarget has them. pip
                evaluates markers for the Python that runs it, also with `--python-version`.

        Returns:
            The requirements without markers; those from an address are left out.
        """
        requirements = [one.requirement for one in self.requested]
        if not self.command.no_deps:
            requirements += [need for project in self.projects for need in project.requires]
        return [
            without_marker(requirement)
            for requirement in requirements
            if not requirement.url and marker_applies(requirement, marker_environment)
        ]


def without_marker(requirement: Requirement) -> str:
    """Format a requirement without its environment marker.

    Args:
        requirement: the requirement.

    Returns:
        Name, extras and versions, or the address.
    """
    plain = Requirement(str(requirement))
    plain.marker = None
    return str(plain)


def marker_applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    """Tell whether a requirement counts for a Python.

    Args:
        requirement: the requirement.
        environment: values for environment markers.

    Returns:
        Whether it has no marker, or one that is true.
    """
    return not requirement.marker or requirement.marker.evaluate(dict(environment))


@dataclass(frozen=True)
class TreeTexts:
    """Reads files of the container from the sources of a release, as upstream has them.

    Attributes:
        release: the release.
        trees: the files of each source by its name; None for a source without a bundle.
    """

    release: Release
    trees: Mapping[str, SourceTree | None]

    def __call__(self, path: str) -> str:
        """Read a file.

        Args:
            path: absolute path in the container; a migrated tree counts as its source.

        Returns:
            Its text.

        Raises:
            UnknownText: the file is in no source that can be read.
        """
        for source in sorted(self.release.sources, key=lambda one: -len(one.path)):
            for root in (host_paths.migrated_path(source), source.path):
                if path.startswith(f"{root.rstrip('/')}/"):
                    return self._read(path, source.name, path[len(root.rstrip("/")) + 1 :])
        raise UnknownText(_("{path} is in no source of the release", path=path))

    def _read(self, path: str, name: str, inner: str) -> str:
        tree = self.trees.get(name)
        if tree is None:
            raise UnknownText(_("the source {source} has no bundle to read", source=name))
        if inner not in tree.entries:
            raise UnknownText(_("{path} is not in the source {source}", path=path, source=name))
        try:
            return tree.read(inner).decode()
        except (InvalidInput, UnicodeDecodeError) as error:
            raise UnknownText(_("{path} cannot be read as text", path=path)) from error


def list_requests(release: Release, read: ReadText) -> list[PipRequest]:
    """List what the pip lines of a release ask for.

    Args:
        release: the release.
        read: reads files of the container.

    Returns:
        One request a line, in their order.
    """
    return [
        _read_line(PipRequest(number, command), read)
        for number, command in enumerate(release.packages.pip)
    ]


def _read_line(request: PipRequest, read: ReadText) -> PipRequest:
    command, place = request.command, ".".join(map(str, request.location))
    for index, text in enumerate(command.install):
        try:
            request.requested.append(Requested(parse_requirement(text), f"{place}.install"))
        except InvalidRequirement:
            reason = _("{text!r} is not a requirement by name", text=text)
            request.unknown.append(((*request.location, "install", index), reason))
    if command.requirements:
        _read_requirements_file(request, command.requirements, read)
    if command.editable:
        try:
            request.projects.append(read_project(command.editable, read))
        except UnknownText as unknown:
            request.unknown.append(((*request.location, "editable"), text_of(unknown)))
            name = PurePosixPath(command.editable).name
            request.projects.append(Project(name, "", (), command.editable))
    return request


def _read_requirements_file(request: PipRequest, path: str, read: ReadText) -> None:
    location = (*request.location, "requirements")
    try:
        listed = read_requirements(path, request.command.exclude, read)
    except UnknownText as unknown:
        request.unknown.append((location, text_of(unknown)))
        return
    place = ".".join(map(str, request.location))
    request.requested += [replace(one, origin=f"{place}, {one.origin}") for one in listed.requested]
    request.constraints += listed.constraints
    request.unknown += [(location, reason) for reason in listed.unknown]
