"""What was wrong with hosts, since when, for how long and how often: from the watch's file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import N_, _
from mlufleet.watch import appearances, database, queries
from mlufleet.watch.database import NewerVersion
from mlufleet.watch.decision import Decision
from mlufleet.watch.decision_table import has_table, list_decisions
from mlufleet.watch.problems import (
    QUARANTINE_REMEDY,
    QUARANTINED,
    REBOOTED,
    RECURRED,
    RELEASED,
    TAKEN_OUT,
    Change,
    HostState,
    Problem,
)
from mlufleet.watch.queries import LookCount
from mlufleet.watch.store import FILE_NAME

# states of a problem
OPEN, FLAPPING, RESOLVED = N_("open"), N_("flapping"), N_("resolved")
#: state of what has no duration: a reboot
EVENT = N_("event")
STATES = (OPEN, FLAPPING, EVENT, RESOLVED)


@dataclass(frozen=True)
class History:
    """What the file of a watch has of a period.

    Attributes:
        states: Host -> what is known of it.
        changes: What changed in the period, oldest first.
        looks: Results of looks by the hour, of hours that end in the period.
        decisions: What was decided in the period to do about hosts, oldest first.
    """

    states: dict[str, HostState] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    looks: list[LookCount] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def select(self, hosts: Collection[str], code: str = "") -> History:
        """Return the part that is of some hosts and, of the changes, of a code.

        Args:
            hosts: Names of hosts.
            code: Code of problems; empty for all.
        """
        return History(
            {name: state for name, state in self.states.items() if name in hosts},
            [one for one in self.changes if one.host in hosts and code in ("", one.problem.code)],
            [one for one in self.looks if one.host in hosts],
            [
                one
                for one in self.decisions
                if one.host in hosts
                and (not code or any(key.split(" ")[0] == code for key in one.problems))
            ],
        )


@dataclass(frozen=True)
class ProblemHistory:
    """A problem of a host in a period, over all times that it was there.

    Attributes:
        host: Name of the host.
        problem: As it was seen last.
        state: One of :data:`STATES`.
        first_seen: When it was first seen, of all times.
        last_seen: When it was last seen, or found to be resolved.
        seconds: How long it was there altogether; while it was flapping, that counts as there.
        times: How often it appeared.
    """

    host: str
    problem: Problem
    state: str
    first_seen: float
    last_seen: float
    seconds: float
    times: int


def load_history(folder: Path, since: float) -> History:
    """Read the file of a watch, which may be at work.

    Args:
        folder: Folder of the watch.
        since: Begin of the period, in seconds since the epoch.

    Raises:
        InvalidInput: There is no such file, or it cannot be read.
    """
    path = folder / FILE_NAME
    try:
        if not path.is_file():
            raise InvalidInput(
                _(
                    "{path}: there is no history; remedy: name the folder of a watch with "
                    "--state, or start one with `mlufleet watch INVENTORY`",
                    path=path,
                )
            )
        with contextlib.closing(database.open_for_reading(path)) as connection:
            if not database.read_version(connection):
                raise InvalidInput(
                    _(
                        "{path}: there is no history in it yet; remedy: start a watch with "
                        "`mlufleet watch INVENTORY`",
                        path=path,
                    )
                )
            connection.execute("BEGIN")  # all of one moment
            return History(
                queries.load_states(connection),
                queries.list_changes(connection, since=since),
                queries.list_looks(connection, since=since),
                list_decisions(connection, since) if has_table(connection) else [],
            )
    except NewerVersion as error:
        reason, remedy = str(error), _("use the version of mlu-fleet that wrote it")
    except sqlite3.OperationalError as error:
        reason, remedy = str(error), _("check that this user can read and enter its folder")
    except sqlite3.DatabaseError as error:
        reason = str(error)
        remedy = _("restart the watch, which moves it aside and begins a new one")
    except OSError as error:
        reason, remedy = str(error.strerror), _("run this as the user of the watch")
    raise InvalidInput(
        _("{path}: {reason}; remedy: {remedy}", path=path, reason=reason, remedy=remedy)
    )


def summarize(history: History, code: str = "") -> list[ProblemHistory]:
    """Return every problem of a period, by host, those that are there first.

    Args:
        history: The period. Problems that are open belong to it, whenever they began.
        code: Only problems of this code; empty for all.
    """
    groups: dict[tuple[str, str], list[Change]] = {}
    for host, state in history.states.items():
        for tracked in state.open_problems:
            groups[host, tracked.problem.key] = []
        if state.quarantine:
            groups[host, QUARANTINED] = []
    for change in history.changes:
        if change.kind != "health":
            groups.setdefault((change.host, change.problem.key), []).append(change)
    found = [
        _summarize_problem(history.states.get(host, HostState()), host, key, changes)
        for (host, key), changes in groups.items()
    ]
    return [one for one in found if code in ("", one.problem.code)]


def _summarize_problem(
    state: HostState, host: str, key: str, changes: Sequence[Change]
) -> ProblemHistory:
    if key == QUARANTINED:
        return _summarize_quarantine(state, host, changes)
    tracked = state.problems.get(key)
    if changes and changes[-1].problem.code == REBOOTED:
        last = changes[-1]
        return ProblemHistory(
            host, last.problem, EVENT, changes[0].time, last.time, 0, len(changes)
        )
    ended = [one for one in changes if one.kind == "resolved"]
    seconds = sum(max(0.0, one.time - one.since) for one in ended)
    times = _count_appearances(changes)
    firsts = [one.since for one in changes]
    if tracked and tracked.opened is not None:
        kind = FLAPPING if tracked.is_flapping else OPEN
        seconds += max(0.0, tracked.last_seen - tracked.first_seen)
        problem, last_seen = tracked.problem, tracked.last_seen
        firsts.append(tracked.first_seen)
    else:
        kind, problem, last_seen = RESOLVED, changes[-1].problem, changes[-1].time
    return ProblemHistory(host, problem, kind, min(firsts), last_seen, seconds, max(1, times))


def _summarize_quarantine(state: HostState, host: str, changes: Sequence[Change]) -> ProblemHistory:
    """Return since when a host is, or was, out of service."""
    ended = [one for one in changes if one.kind == RELEASED]
    firsts = [one.since for one in changes]
    seconds = sum(max(0.0, one.time - one.since) for one in ended)
    times = max(1, sum(one.kind == TAKEN_OUT for one in changes))
    if state.quarantined is None:
        last = changes[-1]
        problem, first, last_seen = last.problem, min(firsts), last.time
        return ProblemHistory(host, problem, RESOLVED, first, last_seen, seconds, times)
    problem = Problem(QUARANTINED, "", state.quarantine, _(QUARANTINE_REMEDY))
    last_seen = state.last_look or state.quarantined
    seconds += max(0.0, last_seen - state.quarantined)
    first = min([*firsts, state.quarantined])
    return ProblemHistory(host, problem, OPEN, first, last_seen, seconds, times)


def _count_appearances(changes: Sequence[Change]) -> int:
    """Return how often a problem appeared; not every appearance of a flapping one was told."""
    times = 0
    for number, change in enumerate(changes):
        if change.kind in ("opened", RECURRED):
            times += 1
        elif change.kind == "flapping":
            told = [
                one
                for one in changes[:number]
                if one.kind == "opened" and one.since >= change.since
            ]
            times += appearances.FLAP_LIMIT - len(told)
    # one that was there before the period is in it by its end
    first = next((one.kind for one in changes if one.kind != RECURRED), "")
    return times + (first == "resolved")


def count_looks(looks: Iterable[LookCount]) -> dict[str, dict[str, int]]:
    """Return host -> health after a look -> number of looks.

    Args:
        looks: Results of looks.
    """
    counts: dict[str, Counter[str]] = {}
    for one in looks:
        counts.setdefault(one.host, Counter())[one.health] += one.count
    return {host: dict(found) for host, found in counts.items()}
