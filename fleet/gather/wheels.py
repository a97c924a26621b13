"""Gather the wheels that the pip lines of releases need, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.errors import Failure, InvalidInput
from fleet.gather import image_facts
from fleet.gather.image_facts import ImageFacts
from fleet.gather.pip_index import IndexUnreachable
from fleet.gather.wheel_lines import WheelLines
from fleet.gather.work import CACHE_FOLDER, GatherError, GatherOptions, PlanRow, State
from fleet.language import _, text_of
from fleet.proof.pip_requests import PipRequest, TreeTexts, list_requests
from fleet.release.model import Release
from fleet.store import git_repositories
from fleet.store.progress_bar import ProgressBar
from fleet.store.source_tree import SourceTree
from fleet.store.verify import FileProblem


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
        note = _(
            "{name}: the size is known when pip has resolved the {lines} pip lines",
            name=self.name,
            lines=lines,
        )
        state: State = "partial" if has_wheels else "missing"
        origin = _(
            "pip's index, for {lines} pip lines of {release}",
            lines=lines,
            release=self._release.name,
        )
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
            raise GatherError.from_failure(self.name, "STORE_DIFFERS", text_of(error)) from error
        if facts is None:
            reference = self._release.image.reference
            raise GatherError.from_failure(self.name, "PYTHON_UNKNOWN", reference)
        cache = self._store / CACHE_FOLDER
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="pip-", dir=cache) as scratch:
            requests = self._read_requests(Path(scratch), facts)
            folder = Path(scratch).absolute() / "pip"
            folder.mkdir()
            lines = WheelLines(self._release, self._store, self._folder, facts, folder, progress)
            try:
                added = lines.gather(requests)
            except IndexUnreachable as error:
                raise GatherError.from_failure(self.name, "FETCH", text_of(error)) from error
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
                self._notes.append(
                    _(
                        "{release}: {field}: unproved: {reason}",
                        release=self._release.name,
                        field=name,
                        reason=reason,
                    )
                )
        if not facts.is_complete:
            self._notes.append(
                _(
                    "{release}: the image is not in the store, so wheels that it has "
                    "already may be gathered as well",
                    release=self._release.name,
                )
            )
        return requests

    def _open_trees(self, scratch: Path) -> Iterator[tuple[str, SourceTree | None]]:
        for number, source in enumerate(self._release.sources):
            tree = None
            if source.bundle and (self._store / source.bundle).is_file():
                clone = scratch / str(number)
                try:
                    commit = git_repositories.resolve_commit(
                        source, self._store, clone, lambda _block: None
                    )
                    tree = SourceTree.open(clone, commit)
                except InvalidInput as error:
                    self._notes.append(text_of(error))
            yield source.name, tree
