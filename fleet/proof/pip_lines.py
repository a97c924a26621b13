"""The pip lines of a release, resolved one after the other; everything that is missing is named."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fleet.documents.field_errors import Location
from fleet.errors import InvalidInput
from fleet.proof.pip_packages import Package
from fleet.proof.pip_requests import PipRequest, marker_applies, without_marker
from fleet.proof.pip_resolver import (
    ConflictingRequirements,
    PipResolver,
    UnsatisfiedRequirement,
    Wanted,
)
from fleet.proof.python_projects import Project
from fleet.proof.results import ProofResults
from fleet.proof.wheelhouse import Wheelhouse, list_candidate_versions
from fleet.store.wheels import WheelFile

#: Calls of pip for one line; each but the first adds something that is missing.
MAX_CALLS = 30


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
        roots: what it asks for.
        wanted: the call.
        may_be_elsewhere: why a missing package may still be found; "" if it cannot.
    """

    roots: list[Root]
    wanted: Wanted
    may_be_elsewhere: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it can be resolved together with the lines beside it."""
        return not (self.wanted.upgrade or self.wanted.no_deps or self.may_be_elsewhere)


@dataclass
class PipLines:
    """The pip lines of a release.

    Attributes:
        requests: what the lines ask for.
        house: packages of the wheelhouse.
        resolver: pip.
        store: folder of the store.
        results: takes the results.
    """

    requests: list[PipRequest]
    house: Wheelhouse
    resolver: PipResolver
    store: Path
    results: ProofResults
    _local: dict[str, Package] = field(default_factory=dict)
    _placeholders: set[tuple[str, str]] = field(default_factory=set)
    _missing: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Resolve the lines in their order."""
        pending: list[Line] = []
        for request in self.requests:
            for location, reason in request.unknown:
                self.results.add_unproved(location, reason)
            if request.command.uninstall:
                self._check_together(pending)
                pending = []
                for name in request.command.uninstall:
                    self.resolver.uninstall(name)
                continue
            line = self._read_line(request)
            if line.is_plain:
                pending.append(line)
                continue
            self._check_together(pending)
            pending = []
            self._check_line(line)
        self._check_together(pending)
        if self._missing:
            command = self.house.format_download(sorted(set(self._missing)))
            self.results.add_finding(
                ("packages", "wheelhouse"), f"get what is missing with `{command}`"
            )

    def _check_together(self, lines: list[Line]) -> None:
        """Resolve lines by one call; if that fails, one by one.

        What one call can install, several calls can as well: each prefers what is installed.
        """
        if len(lines) > 1:
            roots = [root for line in lines for root in line.roots]
            constraints = [text for line in lines for text in line.wanted.constraints]
            arguments = dict.fromkeys(root.argument for root in roots)
            try:
                wanted = Wanted(tuple(arguments), tuple(dict.fromkeys(constraints)))
                self._install(self.resolver.resolve(wanted), lines[0].roots)
            except (UnsatisfiedRequirement, ConflictingRequirements, InvalidInput):
                pass
            else:
                return
        for line in lines:
            self._check_line(line)

    def _read_line(self, request: PipRequest) -> Line:
        """Read a line, and put the packages that it brings where pip finds them."""
        environment, command = self.house.python.marker_environment, request.command
        roots, elsewhere = [], ""
        if command.find_links:
            elsewhere = f"the page {command.find_links} may have it"
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
        return Line(roots, wanted, elsewhere)

    def _add_address(self, requirement: Requirement, location: Location, origin: str) -> None:
        """Judge a requirement by address, and count it as installed from there on."""
        address = str(requirement.url)
        if address.startswith("git+"):
            self.results.add_finding(
                location,
                f"{address} ({origin}) needs a network, but the release has a wheelhouse: build "
                f"a wheel of it (`pip wheel --no-deps -w {self.house.folder} '{address}'`)",
            )
        else:
            self.results.add_unproved(location, f"{address} ({origin}) is not in the store")
        self.add_any_version(Package(canonicalize_name(requirement.name), ""))

    def add_any_version(self, package: Package) -> None:
        """Let pip find a package of unknown version, in any version that something needs.

        Args:
            package: the package; its version does not count.
        """
        for version in list_candidate_versions(self._find_requirements(package.name)):
            candidate = replace(package, version=version)
            self._local[f"{candidate.name} {version}"] = candidate
            candidate.write_wheel(self.resolver.wheels)

    def _find_requirements(self, name: str) -> list[Requirement]:
        """List all requirements of a project, by the release or any package."""
        packages = [package for known in self.house.packages.values() for package, _ in known]
        texts = [t for p in (*packages, *self._local.values()) for t in p.requires]
        texts += [t for p in self.resolver.installed.values() for t in p.requires]
        found = [Requirement(text) for text in texts]
        found += [one.requirement for request in self.requests for one in request.requested]
        found += [
            need for request in self.requests for p in request.projects for need in p.requires
        ]
        return [one for one in found if canonicalize_name(one.name) == name]

    def _add_project(self, project: Project, location: Location) -> Root:
        """Make a wheel of a project that is installed in place."""
        environment, location = self.house.python.marker_environment, (*location, "editable")
        package = Package.from_requirements(
            project.name, project.version, map(str, project.requires), environment
        )
        if package.version:
            return self._add_local(package, location, project.origin)
        self.add_any_version(package)
        place = f"{'.'.join(map(str, location))}, {project.origin}"
        return Root(package.name, Requirement(package.name), location, place)

    def _add_local(self, package: Package, location: Location, origin: str) -> Root:
        """Make a wheel that is installed by its path."""
        folder = self.resolver.folder / "local"
        folder.mkdir(exist_ok=True)
        path = package.write_wheel(folder)
        self._local[f"{package.name} {package.version}"] = package
        place = f"{'.'.join(map(str, location))}, {origin}"
        return Root(str(path), Requirement(package.name), location, place)

    def _add_wheel(self, name: str, location: Location) -> Root | None:
        """Read a wheel that the release names; None if pip refuses it."""
        is_address, field_location = "://" in name, (*location, "wheel")
        path = Path(PurePosixPath(name).name) if is_address else self.store / name
        wheel, python = WheelFile(path), self.house.python
        try:
            is_usable = bool(wheel.parsed_name[2] & python.supported_tags)
            if is_usable and not is_address:
                is_usable = python.can_install(wheel)
        except InvalidInput as error:
            self.results.add_finding(field_location, str(error))
            return None
        if not is_usable:
            problem = f"{name}: the wheel is not for the image, which has {python}"
            self.results.add_finding(field_location, problem)
            return None
        if is_address:
            self.results.add_unproved(field_location, f"{name} is not in the store")
            package = Package(wheel.parsed_name[0], str(wheel.parsed_name[1]), is_complete=False)
        else:
            package = self.house.read_wheel(wheel)
        return self._add_local(package, field_location, name)

    def _check_line(self, line: Line) -> None:
        """Resolve a line, and name everything that it lacks."""
        if not line.roots:
            return
        for call in range(MAX_CALLS):
            try:
                chosen = self.resolver.resolve(line.wanted)
            except UnsatisfiedRequirement as missing:
                if call == 0:
                    self._add_unknown_projects(line)
                if not self._add_placeholders([missing.requirement]) and call:
                    self._report_requirement(line, missing.requirement)
                    return
            except ConflictingRequirements as conflict:
                problem = f"no versions in {self.house.folder} fit together: {conflict}"
                self.results.add_finding(line.roots[0].location, problem)
                return
            else:
                self._install(self._report_missing(line, chosen), line.roots)
                return
        problem = f"more than {MAX_CALLS} versions are missing from {self.house.folder}"
        self.results.add_finding(line.roots[0].location, problem)

    def _add_unknown_projects(self, line: Line) -> None:
        """Put a placeholder for each project that the line may need and that is nowhere.

        pip stops at the first; so all are named after two calls.
        """
        queue = [root.requirement for root in line.roots]
        visited: set[str] = set()
        lacking: dict[str, list[str]] = {}
        while queue:
            requirement = queue.pop()
            name = canonicalize_name(requirement.name)
            packages = self._list_packages(name)
            if not packages:
                lacking.setdefault(name, []).append(str(replace_marker(requirement)))
            if name not in visited and not line.wanted.no_deps:
                needs = {text for package in packages for text in package.requires}
                queue += [Requirement(text) for text in sorted(needs)]
            visited.add(name)
        for texts in lacking.values():
            self._add_placeholders(texts)

    def _list_packages(self, name: str) -> list[Package]:
        packages = [package for package, _ in self.house.packages.get(name, ())]
        packages += [package for package in self._local.values() if package.name == name]
        installed = self.resolver.installed.get(name)
        return [*packages, installed] if installed else packages

    def _add_placeholders(self, texts: list[str]) -> bool:
        """Put empty packages where requirements of one project find them; tell if there are new."""
        try:
            requirements = [Requirement(text) for text in texts]
        except InvalidRequirement:
            return False
        name, before = canonicalize_name(requirements[0].name), len(self._placeholders)
        for version in list_candidate_versions(requirements):
            if self.house.find(name, version) or (name, version) in self._placeholders:
                continue
            fits = any(one.specifier.contains(version, prereleases=True) for one in requirements)
            if fits:
                self._placeholders.add((name, version))
                Package(name, version).write_wheel(self.resolver.wheels)
        return len(self._placeholders) > before

    def _report_requirement(self, line: Line, requirement: str) -> None:
        """Name a requirement that no version fulfills."""
        problem = f"{requirement} is missing from {self.house.folder}"
        self.results.add_finding(line.roots[0].location, problem)

    def _report_missing(self, line: Line, chosen: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Name the placeholders that pip has chosen; return what counts as installed."""
        chains = self._find_chains(line, dict(chosen))
        counted = []
        for name, version in chosen:
            requirement, location, chain = chains.get(
                name, (name, line.roots[0].location, "another package")
            )
            if (name, version) not in self._placeholders:
                counted.append((name, version))
            elif line.may_be_elsewhere:
                reason = f"{requirement} is not in the wheelhouse; {line.may_be_elsewhere}"
                self.results.add_unproved(location, reason)
                self._placeholders -= {one for one in self._placeholders if one[0] == name}
                self.add_any_version(Package(name, ""))
            else:
                counted.append((name, version))
                self._missing.append(requirement)
                installed = self.resolver.installed.get(name)
                has = f"; the image has {name} {installed.version}" if installed else ""
                self.results.add_finding(
                    location,
                    f"{requirement} is missing from {self.house.folder}, and {chain} needs it: "
                    f"{self.house.describe(name)}{has}",
                )
        return counted

    def _find_chains(
        self, line: Line, chosen: dict[str, str]
    ) -> dict[str, tuple[str, Location, str]]:
        """Find for each package the requirement for it, and the shortest way to it."""
        found: dict[str, tuple[str, Location, str]] = {}
        queue = [(root.requirement, root.location, root.origin, root.origin) for root in line.roots]
        while queue:
            requirement, location, origin, chain = queue.pop(0)
            name = canonicalize_name(requirement.name)
            if name in found:
                continue
            found[name] = (str(replace_marker(requirement)), location, chain)
            package = self._find_chosen(name, chosen.get(name, ""))
            for text in package.requires if package else ():
                need = Requirement(text)
                if marker_applies(need, {"extra": ""}) or any(
                    marker_applies(need, {"extra": extra}) for extra in requirement.extras
                ):
                    step = f"{chain} -> {name} {package.version}" if package else chain
                    queue.append((need, location, origin, step))
        return found

    def _find_chosen(self, name: str, version: str) -> Package | None:
        if not version:
            return self.resolver.installed.get(name)
        for package in self._list_packages(name):
            try:
                if Version(package.version) == Version(version):
                    return package
            except InvalidVersion:
                continue
        return None

    def _install(self, chosen: list[tuple[str, str]], roots: list[Root]) -> None:
        """Count what pip has chosen as installed for the following lines."""
        packages = []
        for name, version in chosen:
            package = self._find_chosen(name, version) or Package(name, version)
            packages.append(package)
            source = self.house.sources.get((name, package.version))
            if not source:
                continue
            location = roots[0].location
            self.results.add_warning(
                location, f"{source} is a source package: the image must have what builds it"
            )
            if not package.is_complete:
                reason = f"{source} does not say what it needs"
                self.results.add_unproved(location, reason)
        self.resolver.install(packages)


def replace_marker(requirement: Requirement) -> Requirement:
    """Return a requirement without its marker.

    Args:
        requirement: the requirement.
    """
    return Requirement(without_marker(requirement))
