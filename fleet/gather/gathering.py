"""Fill a store from releases alone, before any lock."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.filesize import decimal

from fleet.errors import CodedInputError, Failure, InvalidInput
from fleet.gather import images, sources, web_files, weights, wheels
from fleet.gather.work import GatherError, GatherOptions, GatherResults, PlanRow, Task
from fleet.language import _, text_of
from fleet.release.model import Release
from fleet.store.progress_bar import ProgressBar
from fleet.store.verify import FileProblem


def list_tasks(releases: Sequence[Release], store: Path, options: GatherOptions) -> list[Task]:
    """List everything that can be gathered.

    Args:
        releases: the releases.
        store: folder of the store.
        options: settings of the run.

    Returns:
        The tasks in the order in which they can be done.
    """
    return [
        *sources.list_tasks(releases, store, options),
        *web_files.list_tasks(releases, store, options),
        *images.list_tasks(releases, store, options),
        *weights.list_tasks(releases, store, options),
        *wheels.list_tasks(releases, store, options),
    ]


def list_left_to_hosts(releases: Iterable[Release]) -> list[str]:
    """List what hosts download by themselves, so that there is nothing to gather.

    Args:
        releases: the releases.

    Returns:
        A line for each.
    """
    lines = []
    for release in releases:
        if release.image.registry and not release.image.file:
            lines.append(
                _(
                    "{release}: hosts pull {registry}",
                    release=release.name,
                    registry=release.image.registry,
                )
            )
        for source in release.sources:
            if not source.bundle:
                lines.append(
                    _(
                        "{release}: hosts clone source {source} from its URL: without a "
                        "`bundle` in the release there is nothing to gather",
                        release=release.name,
                        source=source.name,
                    )
                )
        for pip in release.packages.pip:
            if pip.wheel and "://" in pip.wheel:
                lines.append(
                    _("{release}: hosts download {wheel}", release=release.name, wheel=pip.wheel)
                )
        if release.packages.pip and not release.packages.wheelhouse:
            lines.append(
                _(
                    "{release}: hosts install Python packages from their index: without a "
                    "`wheelhouse` in the release there is nothing to gather",
                    release=release.name,
                )
            )
    return list(dict.fromkeys(lines))


def plan(tasks: Iterable[Task]) -> tuple[list[PlanRow], list[FileProblem]]:
    """Find out what would be received. Nothing is changed.

    Args:
        tasks: what is to be gathered.

    Returns:
        A row for each task, and what their origins do not have.
    """
    rows: list[PlanRow] = []
    problems: list[FileProblem] = []
    for task in tasks:
        try:
            rows.append(task.plan())
        except GatherError as error:
            problems += error.problems
        except InvalidInput as error:
            problems.append(FileProblem(task.name, Failure("FETCH", text_of(error))))
    return rows, problems


def check_free_space(rows: Iterable[PlanRow], store: Path) -> None:
    """Check that the file system of a store has room for what is to be received.

    Args:
        rows: the plan.
        store: folder of the store, which may not exist.

    Raises:
        CodedInputError: it has not.
    """
    folder = next(path for path in (store.absolute(), *store.absolute().parents) if path.exists())
    needed, free = sum(row.size or 0 for row in rows), shutil.disk_usage(folder).free
    if needed > free:
        detail = _(
            "{folder}: {needed} are needed, {free} are free",
            folder=folder,
            needed=decimal(needed),
            free=decimal(free),
        )
        raise CodedInputError("NO_SPACE", detail)


def gather(tasks: Iterable[Task], progress: ProgressBar) -> GatherResults:
    """Gather everything that can be gathered; a failure does not stop the rest.

    Args:
        tasks: what to gather.
        progress: shows received bytes.

    Returns:
        What was gathered, and what is missing.
    """
    results = GatherResults()
    for task in tasks:
        try:
            added = task.gather(progress)
            (results.gathered if added else results.present).append(task.name)
            results.notes += task.list_notes()
        except GatherError as error:
            results.problems += error.problems
            _print_problems(error.problems, progress)
        except InvalidInput as error:
            problem = FileProblem(task.name, Failure("FETCH", text_of(error)))
            results.problems.append(problem)
            _print_problems([problem], progress)
    return results


def _print_problems(problems: Iterable[FileProblem], progress: ProgressBar) -> None:
    for problem in problems:
        progress.print_line(f"{problem.name}: {problem.failure.code}")
