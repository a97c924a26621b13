"""The pip lines of a release as calls of pip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fleet.documents.field_errors import Location
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.proof.package_pool import PackagePool
from fleet.proof.pip_packages import Package
from fleet.proof.pip_requests import PipRequest, marker_applies, without_marker
from fleet.proof.pip_resolver import Wanted
from fleet.proof.python_projects import Project
from fleet.proof.results import ProofResults
from fleet.store.wheels import WheelFile


@dataclass(frozen=True)
class Root:
    """Something that a line asks for.

    Attributes:
        argument: what pip is given: a requirement, or the path of a wheel.
        requirement: the same by name.
        location: the field of the release.
        origin: where it is written.
    """

    argument: str
    requirement: Requirement
    location: Location
    origin: str


@dataclass
class Line:
    """One call of `pip install`.

    Attributes:
        number: index of the line in packages.pip.
        roots: what it asks for.
        wanted: the call.
        may_be_elsewhere: why a missing package may still be found; "" if it cannot.
    """

    number: int
    roots: list[Root]
    wanted: Wanted
    may_be_elsewhere: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it can be resolved together with the lines beside it."""
        return not (self.wanted.upgrade or self.wanted.no_deps or self.may_be_elsewhere)


@dataclass
class LineReader:
    """Reads lines, and puts the packages that they bring where pip finds them.

    Attributes:
        pool: packages that pip may choose from.
        store: folder of the store.
        results: takes what is wrong or unknown.
    """

    pool: PackagePool
    store: Path
    results: ProofResults

    def read(self, request: PipRequest) -> Line:
        """Read a line.

        Args:
            request: what it asks for.

        Returns:
            The call of pip.
        """
        environment, command = self.pool.house.python.marker_environment, request.command
        page = command.find_links
        roots = []
        for one in request.requested:
            if not marker_applies(one.requirement, environment):
                continue
            if one.requirement.url:
                self._add_address(one.requirement, request.location, one.origin)
            else:
                text = without_marker(one.requirement)
                roots.append(Root(text, Requirement(text), request.location, one.origin))
        roots += [self._add_project(project, request.location) for project in request.projects]
        if command.wheel and (root := self._add_wheel(command.wheel, request.location)):
            roots.append(root)
        constraints = [
            without_marker(one.requirement)
            for one in request.constraints
            if marker_applies(one.requirement, environment) and not one.requirement.url
        ]
        arguments = tuple(dict.fromkeys(root.argument for root in roots))
        wanted = Wanted(arguments, tuple(constraints), command.upgrade, command.no_deps)
        reason = _("the page {page} may have it", page=page) if page else ""
        return Line(request.number, roots, wanted, reason)

    def _add_address(self, requirement: Requirement, location: Location, origin: str) -> None:
        """Judge a requirement by address, and count it as installed from there on."""
        address = str(requirement.url)
        if address.startswith("git+"):
            self.results.add_finding(
                location,
                _(
                    "{address} ({origin}) needs a network, but the release has a "
                    "wheelhouse: build a wheel of it (`pip wheel --no-deps -w {folder} "
                    "'{address}'`)",
                    address=address,
                    origin=origin,
                    folder=self.pool.house.folder,
                ),
            )
        else:
            self.results.add_unproved(
                location,
                _("{address} ({origin}) is not in the store", address=address, origin=origin),
            )
        self.pool.add_any_version(Package(canonicalize_name(requirement.name), ""))

    def _add_project(self, project: Project, location: Location) -> Root:
        """Add a project that is installed in place."""
        environment, location = self.pool.house.python.marker_environment, (*location, "editable")
        package = Package.from_requirements(
            project.name, project.version, map(str, project.requires), environment
        )
        if package.version:
            return self._add_local(package, location, project.origin)
        self.pool.add_any_version(package)
        place = f"{'.'.join(map(str, location))}, {project.origin}"
        return Root(package.name, Requirement(package.name), location, place)

    def _add_local(self, package: Package, location: Location, origin: str) -> Root:
        place = f"{'.'.join(map(str, location))}, {origin}"
        path = self.pool.add_local(package)
        return Root(str(path), Requirement(package.name), location, place)

    def _add_wheel(self, name: str, location: Location) -> Root | None:
        """Add a wheel that the release names; None if pip refuses it."""
        is_address, location = "://" in name, (*location, "wheel")
        path = Path(PurePosixPath(name).name) if is_address else self.store / name
        wheel, python = WheelFile(path), self.pool.house.python
        try:
            project, version, tags = wheel.parsed_name
            is_usable = bool(tags & python.supported_tags)
            is_usable = is_usable and (is_address or python.can_install(wheel))
        except InvalidInput as error:
            self.results.add_finding(location, str(error))
            return None
        if not is_usable:
            problem = _(
                "{name}: the wheel is not for the image, which has {python}",
                name=name,
                python=str(python),
            )
            self.results.add_finding(location, problem)
            return None
        if not is_address:
            return self._add_local(self.pool.house.read_wheel(wheel), location, name)
        self.results.add_unproved(location, _("{name} is not in the store", name=name))
        package = Package(canonicalize_name(project), str(version), is_complete=False)
        return self._add_local(package, location, name)
