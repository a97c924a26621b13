"""Finds the folders of runs.

``latest`` names the run that began last, whether or not it has ended. (The link ``runs/latest``
is made when a report is written: it points to the run that ended last.)
"""

from __future__ import annotations

from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.text import suggestions
from mlufleet.journal import journal
from mlufleet.journal.events import RolloutStarted

#: name of the run that began last
LATEST = "latest"


def list_runs() -> list[Path]:
    """Return the folders of all runs that have a journal, the newest first."""
    journals = journal.RUNS.glob(f"2*/{journal.JOURNAL_FILE}")
    return sorted((path.parent for path in journals), reverse=True)


def find_run(run: str = LATEST) -> Path:
    """Return the folder of a run.

    Args:
        run: Name of the run; "latest" for the one that began last.

    Raises:
        InvalidInput: There is no such run.
    """
    if run == LATEST:
        newest = next(iter(list_runs()), None)
        if newest is None:
            raise InvalidInput(_("{folder}: no run yet", folder=journal.RUNS))
        return newest
    folder = journal.RUNS / run
    if "/" in run or not (folder / journal.JOURNAL_FILE).is_file():
        names = (LATEST, *(path.name for path in list_runs()))
        raise InvalidInput(
            _(
                "{folder}: no such run{similar}",
                folder=folder,
                similar=suggestions.format_suggestions(run, names),
            )
        )
    return folder


def find_resumable_run(run: str = "") -> Path:
    """Return the folder of a rollout, which can be resumed.

    Args:
        run: Name of the run; empty for the last rollout.

    Raises:
        InvalidInput: There is no such rollout.
    """
    for folder in [journal.RUNS / run] if run else list_runs():
        if (folder / journal.JOURNAL_FILE).is_file() and _is_resumable(folder):
            return folder
    names = (path.name for path in list_runs() if path.name != run)
    similar = suggestions.format_suggestions(run, names) if run else ""
    raise InvalidInput(
        _("{folder}: no rollout to resume{similar}", folder=journal.RUNS / run, similar=similar)
    )


def _is_resumable(folder: Path) -> bool:
    """Return whether a run is a rollout that changes hosts."""
    rollouts = (
        event for event in journal.iterate_events(folder) if isinstance(event, RolloutStarted)
    )
    return any(not event.plan.get("dry") for event in rollouts)
