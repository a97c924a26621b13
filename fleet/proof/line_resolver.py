"""The pip lines of a release, resolved in their order; everything that is missing is named."""

from __future__ import annotations

from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from fleet.documents.field_errors import Location
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.proof.package_pool import PackagePool
from fleet.proof.pip_lines import Line, LineReader, Root
from fleet.proof.pip_packages import Package
from fleet.proof.pip_requests import PipRequest, marker_applies, without_marker
from fleet.proof.pip_resolver import ConflictingRequirements, UnsatisfiedRequirement, Wanted
from fleet.proof.results import ProofResults

#: Calls of pip for one line; each but the first adds something that is missing.
MAX_CALLS = 30


@dataclass(frozen=True)
class Need:
    """A requirement that pip has to fulfill.

    Attributes:
        requirement: the requirement, without its marker.
        location: the field of the release that leads to it.
        chain: the way to it, as text.
    """

    requirement: Requirement
    location: Location
    chain: str


@dataclass
class LineResolver:
    """Resolves lines one after the other.

    Attributes:
        pool: packages that pip may choose from.
        reader: reads the lines.
        results: takes the results.
    """

    pool: PackagePool
    reader: LineReader
    results: ProofResults
    _missing: list[str] = field(default_factory=list)

    def check(self, requests: list[PipRequest]) -> None:
        """Check that all lines can be installed.

        Args:
            requests: what the lines ask for.
        """
        pending: list[Line] = []
        for request in requests:
            for location, reason in request.unknown:
                self.results.add_unproved(location, reason)
            line = None if request.command.uninstall else self.reader.read(request)
            if line and line.is_plain and not request.unknown:
                pending.append(line)
                continue
            self._check_together(pending)
            pending = []
            for name in request.command.uninstall:
                self.pool.resolver.uninstall(name)
            if line:
                self._check_line(line)
        self._check_together(pending)
        if self._missing:
            command = self.pool.house.format_download(sorted(set(self._missing)))
            self.results.add_finding(
                ("packages", "wheelhouse"),
                _("get what is missing with `{command}`", command=command),
            )

    def _check_together(self, lines: list[Line]) -> None:
        """Resolve lines by one call, which a host then makes as well; if that fails, one by one."""
        if len(lines) > 1:
            arguments = (root.argument for line in lines for root in line.roots)
            constraints = (text for line in lines for text in line.wanted.constraints)
            wanted = Wanted(tuple(dict.fromkeys(arguments)), tuple(dict.fromkeys(constraints)))
            try:
                chosen = self.pool.resolver.resolve(wanted)
            except (UnsatisfiedRequirement, ConflictingRequirements, InvalidInput):
                pass
            else:
                self._install(chosen, [root for line in lines for root in line.roots])
                self.results.pip_groups.append(tuple(line.number for line in lines))
                return
        for line in lines:
            self._check_line(line)

    def _check_line(self, line: Line) -> None:
        """Resolve a line, and name everything that it lacks."""
        if not line.roots:
            return
        folder, location = self.pool.house.folder, line.roots[0].location
        for call in range(MAX_CALLS):
            try:
                chosen = self.pool.resolver.resolve(line.wanted)
            except UnsatisfiedRequirement as error:
                problem = _(
                    "{requirement} is missing from {folder}",
                    requirement=error.requirement,
                    folder=folder,
                )
                lacking = [error.requirement]
            except ConflictingRequirements as error:
                problem = _(
                    "no versions in {folder} fit together: {error}", folder=folder, error=error
                )
                lacking = self.pool.list_unfulfilled(error.requirements)
            else:
                self._install(self._report_missing(line, chosen), line.roots)
                return
            if call == 0:
                roots = [Requirement(without_marker(root.requirement)) for root in line.roots]
                self.pool.add_unknown_projects(roots, no_deps=line.wanted.no_deps)
            has_new = [self.pool.add_placeholders([text]) for text in lacking]
            if not any(has_new) and call:
                self.results.add_finding(location, problem)
                return
        problem = _(
            "more than {count} versions are missing from {folder}",
            count=MAX_CALLS,
            folder=folder,
        )
        self.results.add_finding(location, problem)

    def _report_missing(self, line: Line, chosen: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Name the placeholders that pip has chosen; return what counts as installed."""
        needs = self._find_needs(line, dict(chosen))
        counted = []
        for name, version in sorted(chosen):
            if (name, version) not in self.pool.placeholders:
                counted.append((name, version))
                continue
            root = line.roots[0]
            fallback = Need(Requirement(name), root.location, _("another package"))
            all_needs = needs.get(name, [fallback])
            need = next(
                (one for one in all_needs if not self.pool.has_version(one.requirement)),
                all_needs[0],
            )
            if line.may_be_elsewhere:
                reason = _(
                    "{requirement} is not in the wheelhouse; {reason}",
                    requirement=need.requirement,
                    reason=line.may_be_elsewhere,
                )
                self.results.add_unproved(need.location, reason)
                self.pool.add_any_version(Package(name, ""))
                continue
            counted.append((name, version))
            versions = SpecifierSet(",".join(str(one.requirement.specifier) for one in all_needs))
            self._missing.append(f"{need.requirement.name}{versions}")
            self.results.add_finding(need.location, self._describe_missing(name, need))
        return counted

    def _describe_missing(self, name: str, need: Need) -> str:
        house, installed = self.pool.house, self.pool.resolver.installed.get(name)
        has = (
            _("; the image has {name} {version}", name=name, version=installed.version)
            if installed
            else ""
        )
        return _(
            "{requirement} is missing from {folder}, and {chain} needs it: {found}{installed}",
            requirement=need.requirement,
            folder=house.folder,
            chain=need.chain,
            found=house.describe(name),
            installed=has,
        )

    def _find_needs(self, line: Line, chosen: dict[str, str]) -> dict[str, list[Need]]:
        """Find for each package what asks for it, the shortest way first."""
        found: dict[str, list[Need]] = {}
        queue = [Need(root.requirement, root.location, root.origin) for root in line.roots]
        while queue:
            need = queue.pop(0)
            name = canonicalize_name(need.requirement.name)
            is_new = name not in found
            plain = Requirement(without_marker(need.requirement))
            found.setdefault(name, []).append(Need(plain, need.location, need.chain))
            package = self.pool.find(name, chosen.get(name, ""))
            if not is_new or not package or line.wanted.no_deps:
                continue
            extras = ("", *need.requirement.extras)
            for inner in map(Requirement, package.requires):
                if any(marker_applies(inner, {"extra": extra}) for extra in extras):
                    chain = f"{need.chain} -> {name} {package.version}"
                    queue.append(Need(inner, need.location, chain))
        return found

    def _install(self, chosen: list[tuple[str, str]], roots: list[Root]) -> None:
        """Count what pip has chosen as installed for the following lines."""
        packages = []
        for name, version in chosen:
            package = self.pool.find(name, version) or Package(name, version)
            packages.append(package)
            if source := self.pool.house.sources.get((name, package.version)):
                location = roots[0].location
                problem = _(
                    "{source} is a source package: the image must have what builds it",
                    source=source,
                )
                self.results.add_warning(location, problem)
                if not package.is_complete:
                    reason = _("{source} does not say what it needs", source=source)
                    self.results.add_unproved(location, reason)
        self.pool.resolver.install(packages)
