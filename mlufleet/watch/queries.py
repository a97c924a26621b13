"""Reads of the watch's file."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mlufleet.watch import records
from mlufleet.watch.observation import Observation
from mlufleet.watch.problems import Change, HostState, Problem

HOUR_S = 3600
#: sorts of observations that are kept of each host
PROBED, LAST = "probed", "last"

_CHANGE = "time, host, kind, code, subject, sentence, remedy, since, run"

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Query(Protocol[T_co]):
    """A read of the file."""

    def __call__(self, connection: sqlite3.Connection, /) -> T_co:
        """Return what is read."""


@dataclass(frozen=True)
class LookCount:
    """Looks at a host within an hour that had the same result.

    Attributes:
        host: Name of the host.
        hour: Begin of the hour, in seconds since the epoch.
        outcome: One of :data:`mlufleet.watch.observation.OUTCOMES`.
        code: Failure code, or empty.
        health: Health of the host after the look.
        count: How many looks.
        seconds: How long they took together.
        slowest_s: How long the slowest one took.
    """

    host: str
    hour: float
    outcome: str
    code: str
    health: str
    count: int
    seconds: float
    slowest_s: float


def load_states(connection: sqlite3.Connection) -> dict[str, HostState]:
    """Return what is known of each host.

    Args:
        connection: A connection to the file.
    """
    rows = connection.execute("SELECT name, state FROM hosts")
    return {name: records.state_from_json(text) for name, text in rows}


def load_observations(
    connection: sqlite3.Connection,
) -> dict[str, tuple[Observation | None, Observation | None]]:
    """Return of each host the last look that probed it, and the last look.

    Args:
        connection: A connection to the file.
    """
    found: dict[str, dict[str, Observation]] = {}
    for name, sort, fresh, body in connection.execute(
        "SELECT name, sort, fresh, body FROM observations JOIN hosts ON hosts.id = host"
    ):
        with contextlib.suppress(
            ValueError, KeyError
        ):  # of another version; the next look replaces it
            found.setdefault(name, {})[sort] = records.join_observation(fresh, body)
    return {
        name: (sorts.get(PROBED), sorts.get(LAST, sorts.get(PROBED)))
        for name, sorts in found.items()
    }


def list_changes(
    connection: sqlite3.Connection,
    host: str | None = None,
    since: float | None = None,
    limit: int | None = None,
) -> list[Change]:
    """Return changes, oldest first.

    Args:
        connection: A connection to the file.
        host: Only those of this host.
        since: Only those from this time on, in seconds since the epoch.
        limit: Only the latest ones, so many.
    """
    rows = connection.execute(
        f"SELECT {_CHANGE} FROM changes"
        " WHERE (?1 IS NULL OR host = ?1) AND time >= ?2 ORDER BY id DESC LIMIT ?3",
        (host, 0.0 if since is None else since, -1 if limit is None else limit),
    ).fetchall()
    return [_to_change(*row) for row in reversed(rows)]


def list_changes_after(
    connection: sqlite3.Connection, number: int, limit: int
) -> list[tuple[int, Change]]:
    """Return the changes after one, with their numbers.

    Args:
        connection: A connection to the file.
        number: Number of a change.
        limit: Only the first ones, so many.
    """
    rows = connection.execute(
        f"SELECT id, {_CHANGE} FROM changes WHERE id > ? ORDER BY id LIMIT ?", (number, limit)
    )
    return [(identity, _to_change(*row)) for identity, *row in rows]


def find_last_number(connection: sqlite3.Connection) -> int:
    """Return the number of the last change that was ever written; 0 for none.

    Args:
        connection: A connection to the file.
    """
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
    return int(row[0]) if row else 0


def load_told(connection: sqlite3.Connection) -> dict[str, int]:
    """Return receivers of notices -> number of the last change that each was told.

    Args:
        connection: A connection to the file.
    """
    return dict(connection.execute("SELECT name, told FROM receivers").fetchall())


def _to_change(
    at: float,
    host: str,
    kind: str,
    code: str,
    subject: str,
    sentence: str,
    remedy: str,
    since: float,
    run: str,
) -> Change:
    return Change(at, host, kind, Problem(code, subject, sentence, remedy), since, run)


def list_looks(
    connection: sqlite3.Connection, host: str | None = None, since: float | None = None
) -> list[LookCount]:
    """Return how many looks had which result, by the hour, oldest first.

    Args:
        connection: A connection to the file.
        host: Only those at this host.
        since: Only hours that end after this time.
    """
    where = "" if host is None else " AND looks.host = (SELECT id FROM hosts WHERE name = ?2)"
    first = -1 if since is None else int(since // HOUR_S)
    rows = connection.execute(
        "SELECT name, hour, outcome, code, health, count, seconds, slowest"
        f" FROM looks JOIN hosts ON hosts.id = looks.host WHERE hour >= ?1{where}"
        " ORDER BY hour, name",
        (first,) if host is None else (first, host),
    )
    return [LookCount(name, hour * HOUR_S, *rest) for name, hour, *rest in rows]
