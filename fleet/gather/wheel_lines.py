"""The wheels that each pip line needs: from the wheelhouse, an index, or built from source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fleet.errors import InvalidInput
from fleet.gather import source_wheels
from fleet.gather.image_facts import ImageFacts
from fleet.gather.pip_index import ChosenFile, IndexResolver
from fleet.gather.source_wheels import CannotBuild
from fleet.language import _
from fleet.proof.pip_packages import Package, is_valid_version
from fleet.proof.pip_requests import PipRequest, marker_applies, without_marker
from fleet.proof.pip_resolver import ConflictingRequirements, UnsatisfiedRequirement, Wanted
from fleet.proof.wheelhouse import list_candidate_versions
from fleet.release.model import Release
from fleet.store.progress_bar import ProgressBar
from fleet.text.word_lists import join_words

#: calls of pip for one line; each but the last one ends at a package that no index has
MAX_CALLS = 30


@dataclass
class WheelLines:
    """The pip lines of a release, resolved one after the other as on a host.

    Attributes:
        release: the release.
        store: folder of the store.
        house: folder of its wheelhouse.
        facts: the Python of the image.
        scratch: an empty folder for pip's files.
        progress: shows what is resolved.
        problems: what cannot be gathered.
        added: whether a wheel was added.
    """

    release: Release
    store: Path
    house: Path
    facts: ImageFacts
    scratch: Path
    progress: ProgressBar
    problems: list[str] = field(default_factory=list)
    added: bool = False

    def __post_init__(self) -> None:
        python = self.facts.python
        self.resolver = IndexResolver(
            self.scratch,
            python.pip_arguments,
            markers=python.marker_environment,
            folders=(self.house.absolute(),),
        )
        self.resolver.install(
            Package.from_requirements(p.name, p.version, p.requires, python.marker_environment)
            for p in self.facts.packages
            if is_valid_version(p.version)
        )

    def gather(self, requests: Iterable[PipRequest]) -> bool:
        """Gather what each line needs.

        Args:
            requests: what the lines ask for.

        Returns:
            Whether a wheel was added.
        """
        self.house.mkdir(parents=True, exist_ok=True)
        for request in requests:
            for name in request.command.uninstall:
                self.resolver.uninstall(name)
            requirements = self._list_requirements(request)
            if requirements:
                command = request.command
                wanted = Wanted(
                    tuple(requirements),
                    tuple(self._list_constraints(request)),
                    upgrade=command.upgrade,
                    no_deps=command.no_deps,
                )
                shown = " ".join(requirements)
                self.progress.describe(_("resolving {requirements:.60}", requirements=shown))
                self._gather_line(wanted, [command.find_links] if command.find_links else [])
        return self.added

    def _list_requirements(self, request: PipRequest) -> list[str]:
        environment, wheel = self.facts.python.marker_environment, request.command.wheel
        requirements = request.list_downloads(environment)
        for one in request.requested:
            if one.requirement.url:
                self.problems.append(
                    _(
                        "{origin}: {requirement} is not from an index",
                        origin=one.origin,
                        requirement=one.requirement,
                    )
                )
        if wheel and "://" not in wheel and (self.store / wheel).is_file():
            requirements.append(str((self.store / wheel).absolute()))
        return list(dict.fromkeys(requirements))

    def _list_constraints(self, request: PipRequest) -> Iterator[str]:
        environment = self.facts.python.marker_environment
        for one in request.constraints:
            if not one.requirement.url and marker_applies(one.requirement, environment):
                yield without_marker(one.requirement)

    def _gather_line(self, wanted: Wanted, pages: list[str]) -> None:
        """Resolve a line without the index if that is possible, else with it."""
        try:
            if not self._may_satisfy(wanted):
                raise UnsatisfiedRequirement(wanted.requirements[0])
            chosen = self.resolver.choose(wanted, use_index=False)
        except (UnsatisfiedRequirement, ConflictingRequirements, InvalidInput):
            chosen = self._choose_from_index(wanted, pages)
        self._download(chosen, pages)
        environment = self.facts.python.marker_environment
        self.resolver.install(
            Package.from_requirements(file.name, file.version, file.requires, environment)
            for file in chosen
        )

    def _may_satisfy(self, wanted: Wanted) -> bool:
        """Tell whether the wheelhouse may do; an upgrade needs a file of each package."""
        names = {canonicalize_name(path.name.split("-")[0]) for path in self.house.iterdir()}
        if not wanted.upgrade:
            return bool(names)
        asked = [text for text in wanted.requirements if not text.endswith(".whl")]
        return all(canonicalize_name(Requirement(text).name) in names for text in asked)

    def _choose_from_index(self, wanted: Wanted, pages: list[str]) -> list[ChosenFile]:
        for _attempt in range(MAX_CALLS):
            try:
                return self.resolver.choose(wanted, pages, use_index=True)
            except UnsatisfiedRequirement as missing:
                self._build_or_replace(missing.requirement)
            except (ConflictingRequirements, InvalidInput) as error:
                requirements = " ".join(wanted.requirements)
                self.problems.append(
                    _("{requirements}: {error}", requirements=requirements, error=error)
                )
                return []
        self.problems.append(
            _("{requirements}: too much is missing", requirements=" ".join(wanted.requirements))
        )
        return []

    def _build_or_replace(self, requirement: str) -> None:
        """Build a wheel from source; if that cannot be done, let pip go on without the package."""
        try:
            built = source_wheels.build_wheel(
                requirement, self.resolver, self.facts.python, self.house
            )
        except CannotBuild as error:
            self.problems.append(
                _("{requirements}: {error}", requirements=requirement, error=error)
            )
            name = canonicalize_name(Requirement(requirement).name)
            for version in list_candidate_versions([Requirement(requirement)]):
                Package(name, version).write_wheel(self.resolver.wheels)
        else:
            self.added = True
            self.progress.file_done(built.name, built.stat().st_size, _("built from source"))

    def _download(self, chosen: list[ChosenFile], pages: list[str]) -> None:
        """Download the files that are neither in the wheelhouse nor placeholders."""
        folders = (self.house, self.resolver.wheels, self.store)
        wanted = [
            file
            for file in chosen
            if not any((folder / file.file_name).is_file() for folder in folders)
        ]
        if not wanted:
            return
        folder = self.scratch / "downloads"
        folder.mkdir(exist_ok=True)
        try:
            self.resolver.download(wanted, pages, folder)
        except (UnsatisfiedRequirement, ConflictingRequirements, InvalidInput) as error:
            files = join_words(file.file_name for file in wanted)
            self.problems.append(_("{requirements}: {error}", requirements=files, error=error))
        for path in sorted(folder.iterdir()):
            target = self.house / path.name
            if not target.exists():
                size = path.stat().st_size
                path.replace(target)
                self.added = True
                self.progress.file_done(f"{self.house.name}/{path.name}", size, _("gathered"))
