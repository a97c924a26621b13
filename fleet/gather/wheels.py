"""Gather the wheels that the pip lines of releases need, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fleet.errors import Failure, InvalidInput
from fleet.gather import image_facts, source_wheels
from fleet.gather.image_facts import ImageFacts
from fleet.gather.pip_index import ChosenFile, IndexResolver, IndexUnreachable
from fleet.gather.source_wheels import CannotBuild
from fleet.gather.work import CACHE_FOLDER, GatherError, GatherOptions, PlanRow, State
from fleet.proof.pip_packages import Package, is_valid_version
from fleet.proof.pip_requests import (
    PipRequest,
    TreeTexts,
    list_requests,
    marker_applies,
    without_marker,
)
from fleet.proof.pip_resolver import ConflictingRequirements, UnsatisfiedRequirement, Wanted
from fleet.proof.wheelhouse import list_candidate_versions
from fleet.release.model import Release
from fleet.store import git_repositories
from fleet.store.progress_bar import ProgressBar
from fleet.store.source_tree import SourceTree
from fleet.store.verify import FileProblem

#: calls of pip for one line; each but the last one ends at a package that no index has
MAX_CALLS = 30


def list_tasks(
    releases: Iterable[Release], store: Path, options: GatherOptions
) -> list[WheelsTask]:
    """List the wheelhouses of releases.

    Args:
        releases: the releases.
        store: folder of the store.
        options: settings of the run.

    Returns:
        A task for each release with a wheelhouse.
    """
    return [
        WheelsTask(release, release.packages.wheelhouse, store, options)
        for release in releases
        if release.packages.wheelhouse and release.packages.pip
    ]


class WheelsTask:
    """The wheels of a release to gather; its sources are gathered before.

    Args:
        release: the release.
        wheelhouse: path of its wheelhouse in the store.
        store: folder of the store.
        options: settings of the run.
    """

    def __init__(
        self, release: Release, wheelhouse: str, store: Path, options: GatherOptions
    ) -> None:
        self.name, self._release = wheelhouse, release
        self._store, self._folder, self._options = store, store / wheelhouse, options
        self._notes: list[str] = []

    def list_notes(self) -> list[str]:
        """Tell what could not be known."""
        return self._notes

    def plan(self) -> PlanRow:
        """Describe the work; what is needed is known when the sources are there."""
        lines = len(self._release.packages.pip)
        has_wheels = any(self._folder.glob("*.whl"))
        note = f"{self.name}: the size is known when pip has resolved the {lines} pip lines"
        state: State = "partial" if has_wheels else "missing"
        origin = f"pip's index, for {lines} pip lines of {self._release.name}"
        return PlanRow(self.name, origin, None, state, (note,))

    def gather(self, progress: ProgressBar) -> bool:
        """Resolve the pip lines, and download what is missing.

        Args:
            progress: shows what is resolved.

        Returns:
            Whether a wheel was added.

        Raises:
            GatherError: a line cannot be resolved, or the Python is unknown.
        """
        try:
            facts = image_facts.find_facts(self._release.image, self._store, self._options.python)
        except InvalidInput as error:
            raise GatherError.from_failure(self.name, "STORE_DIFFERS", str(error)) from error
        if facts is None:
            reference = self._release.image.reference
            raise GatherError.from_failure(self.name, "PYTHON_UNKNOWN", reference)
        cache = self._store / CACHE_FOLDER
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="pip-", dir=cache) as scratch:
            requests = self._read_requests(Path(scratch), facts)
            folder = Path(scratch).absolute() / "pip"
            folder.mkdir()
            lines = _Lines(self._release, self._store, self._folder, facts, folder, progress)
            try:
                added = lines.gather(requests)
            except IndexUnreachable as error:
                raise GatherError.from_failure(self.name, "FETCH", str(error)) from error
        if lines.problems:
            raise GatherError(
                FileProblem(self.name, Failure("WHEELS_UNAVAILABLE", problem))
                for problem in dict.fromkeys(lines.problems)
            )
        return added

    def _read_requests(self, scratch: Path, facts: ImageFacts) -> list[PipRequest]:
        """Read what the pip lines ask for from the sources in the store."""
        trees = dict(self._open_trees(scratch))
        requests = list_requests(self._release, TreeTexts(self._release, trees))
        for request in requests:
            for location, reason in request.unknown:
                name = ".".join(map(str, location))
                self._notes.append(f"{self._release.name}: {name}: unproved: {reason}")
        if not facts.is_complete:
            self._notes.append(
                f"{self._release.name}: the image is not in the store, so wheels that it has "
                "already may be gathered as well"
            )
        return requests

    def _open_trees(self, scratch: Path) -> Iterator[tuple[str, SourceTree | None]]:
        for number, source in enumerate(self._release.sources):
            tree = None
            if source.bundle and (self._store / source.bundle).is_file():
                clone = scratch / str(number)
                try:
                    commit = git_repositories.resolve_commit(
                        source, self._store, clone, lambda _: None
                    )
                    tree = SourceTree.open(clone, commit)
                except InvalidInput as error:
                    self._notes.append(str(error))
            yield source.name, tree


@dataclass
class _Lines:
    """The pip lines of a release, resolved one after the other as on a host."""

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
                self.progress.describe(f"resolving {' '.join(requirements):.60}")
                self._gather_line(wanted, [command.find_links] if command.find_links else [])
        return self.added

    def _list_requirements(self, request: PipRequest) -> list[str]:
        environment, wheel = self.facts.python.marker_environment, request.command.wheel
        requirements = request.list_downloads(environment)
        for one in request.requested:
            if one.requirement.url:
                self.problems.append(f"{one.origin}: {one.requirement} is not from an index")
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
        for _ in range(MAX_CALLS):
            try:
                return self.resolver.choose(wanted, pages, use_index=True)
            except UnsatisfiedRequirement as missing:
                self._build_or_replace(missing.requirement)
            except (ConflictingRequirements, InvalidInput) as error:
                self.problems.append(f"{' '.join(wanted.requirements)}: {error}")
                return []
        self.problems.append(f"{' '.join(wanted.requirements)}: too much is missing")
        return []

    def _build_or_replace(self, requirement: str) -> None:
        """Build a wheel from source; if that cannot be done, let pip go on without the package."""
        try:
            built = source_wheels.build_wheel(
                requirement, self.resolver, self.facts.python, self.house
            )
        except CannotBuild as error:
            self.problems.append(f"{requirement}: {error}")
            name = canonicalize_name(Requirement(requirement).name)
            for version in list_candidate_versions([Requirement(requirement)]):
                Package(name, version).write_wheel(self.resolver.wheels)
        else:
            self.added = True
            self.progress.file_done(built.name, built.stat().st_size, "built from source")

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
            self.problems.append(f"{', '.join(file.file_name for file in wanted)}: {error}")
        for path in sorted(folder.iterdir()):
            target = self.house / path.name
            if not target.exists():
                size = path.stat().st_size
                path.replace(target)
                self.added = True
                self.progress.file_done(f"{self.house.name}/{path.name}", size, "gathered")
