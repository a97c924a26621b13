"""What has not been written to the watch's file yet; its size does not grow with the looks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlufleet.watch import records, retention
from mlufleet.watch.database import transaction
from mlufleet.watch.observation import Observation
from mlufleet.watch.problems import Change, HostState
from mlufleet.watch.queries import HOUR_S, LAST, PROBED

#: changes that are kept while nothing can be written; older ones are lost
MAX_CHANGES = 50_000
#: pages that one pruning gives back to the file system
VACUUM_PAGES = 1000


@dataclass
class Waiting:
    """Looks that wait to be written.

    Attributes:
        states: Host -> what is known of it.
        last: Host -> the last look.
        probed: Host -> the last look that probed it.
        changes: What changed, oldest first.
        looks: Host, hour, outcome, code and health -> number of looks, their seconds, the slowest.
        lost: How many changes could not be kept.
        last_number: Number of the last change that was written to a file; None before one was
            opened.
        told: Receiver of notices -> number of the last change that it was told.
        is_told_new: Whether `told` has something that is not in the file.
        forget: The time, and the seconds for which everything is kept before it; None to forget
            nothing.
        bodies: Host and sort -> what the file has of its observation.
    """

    states: dict[str, HostState] = field(default_factory=dict)
    last: dict[str, Observation] = field(default_factory=dict)
    probed: dict[str, Observation] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    looks: dict[tuple[str, int, str, str, str], tuple[int, float, float]] = field(
        default_factory=dict
    )
    lost: int = 0
    last_number: int | None = None
    told: dict[str, int] = field(default_factory=dict)
    is_told_new: bool = False
    forget: tuple[float, float] | None = None
    bodies: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.states) or self.is_told_new or self.forget is not None

    def begin(self, last_number: int, told: Mapping[str, int]) -> None:
        """Go on with a file that was opened: numbers of changes go up for as long as this lasts.

        Args:
            last_number: Number of its last change.
            told: Receiver of notices -> number of the last change that it was told.
        """
        self.last_number = max(last_number, self.last_number or 0)
        self.is_told_new = self.is_told_new or bool(self.told.keys() - told.keys())
        self.told = {**told, **self.told}
        self.bodies.clear()

    def list_numbered(self) -> list[tuple[int, Change]]:
        """Return the changes with the numbers that they will have in the file."""
        first = (self.last_number or 0) + self.lost + 1
        return list(enumerate(self.changes, first))

    def add(self, observation: Observation, state: HostState, changes: Iterable[Change]) -> None:
        """Add what a look brought.

        Args:
            observation: The look.
            state: What is known of the host after it.
            changes: What it changed.
        """
        host = observation.host
        self.states[host], self.last[host] = state, observation
        if observation.was_probed:
            self.probed[host] = observation
        self.changes.extend(changes)
        surplus = max(0, len(self.changes) - MAX_CHANGES)
        del self.changes[:surplus]
        self.lost += surplus
        code = observation.failure.code if observation.failure else ""
        key = (host, int(observation.ended // HOUR_S), observation.outcome, code, state.health)
        seconds = round(max(0.0, observation.ended - observation.began), 3)
        count, total, slowest = self.looks.get(key, (0, 0.0, 0.0))
        self.looks[key] = (count + 1, total + seconds, max(slowest, seconds))

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all of it in one transaction, and forget it here.

        Args:
            connection: A connection to the file.

        Raises:
            sqlite3.Error: Nothing was written.
        """
        # a look that changed nothing may be lost by a power failure, and by nothing else
        is_vital = bool(self.changes) or self.is_told_new
        connection.execute(f"PRAGMA synchronous = {'FULL' if is_vital else 'NORMAL'}")
        written: dict[tuple[str, str], bytes | None] = {}
        with transaction(connection):
            for host, state in self.states.items():
                connection.execute(
                    "INSERT INTO hosts (name, state) VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET state = excluded.state",
                    (host, records.state_to_json(state)),
                )
                self._write_observations(connection, host, written)
            self._write_looks(connection)
            numbered = self._write_changes(connection)
            if self.forget is not None:
                retention.forget(connection, *self.forget)
        if self.forget is not None:
            connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
            self.bodies.clear()
        for key, body in written.items():
            if body is None:
                self.bodies.pop(key, None)
            else:
                self.bodies[key] = body
        self.last_number = numbered[-1][0] if numbered else self.last_number
        self.states, self.last, self.probed = {}, {}, {}
        self.changes, self.looks, self.forget = [], {}, None
        self.lost, self.is_told_new = 0, False

    def _write_observations(
        self,
        connection: sqlite3.Connection,
        host: str,
        written: dict[tuple[str, str], bytes | None],
    ) -> None:
        last, probed = self.last[host], self.probed.get(host)
        if probed:
            self._write_observation(connection, host, PROBED, probed, written)
        if probed is last:  # one row is enough for both
            connection.execute(
                "DELETE FROM observations WHERE sort = ?"
                " AND host = (SELECT id FROM hosts WHERE name = ?)",
                (LAST, host),
            )
            written[host, LAST] = None
        else:
            self._write_observation(connection, host, LAST, last, written)

    def _write_observation(
        self,
        connection: sqlite3.Connection,
        host: str,
        sort: str,
        observation: Observation,
        written: dict[tuple[str, str], bytes | None],
    ) -> None:
        fresh, body = records.split_observation(observation)
        if self.bodies.get((host, sort)) == body:
            statement = (
                "UPDATE observations SET fresh = ?1"
                " WHERE sort = ?3 AND host = (SELECT id FROM hosts WHERE name = ?2)"
            )
            connection.execute(statement, (fresh, host, sort))
            return
        connection.execute(
            "INSERT INTO observations (host, sort, fresh, body)"
            " VALUES ((SELECT id FROM hosts WHERE name = ?), ?, ?, ?)"
            " ON CONFLICT (host, sort) DO UPDATE SET fresh = excluded.fresh, body = excluded.body",
            (host, sort, fresh, body),
        )
        written[host, sort] = body

    def _write_looks(self, connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO looks VALUES ((SELECT id FROM hosts WHERE name = ?), ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (host, hour, outcome, code, health)"
            " DO UPDATE SET count = count + excluded.count, seconds = seconds + excluded.seconds,"
            " slowest = max(slowest, excluded.slowest)",
            [(*key, *values) for key, values in self.looks.items()],
        )

    def _write_changes(self, connection: sqlite3.Connection) -> list[tuple[int, Change]]:
        numbered = self.list_numbered()
        connection.executemany(
            "INSERT INTO changes"
            " (id, time, host, kind, code, subject, sentence, remedy, since, run)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_to_row(*each) for each in numbered],
        )
        if self.is_told_new:
            connection.executemany(
                "INSERT INTO receivers (name, told) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET told = excluded.told",
                self.told.items(),
            )
        return numbered


def _to_row(number: int, change: Change) -> tuple[object, ...]:
    one = change.problem
    told = (one.code, one.subject, one.sentence, one.remedy)
    return (number, change.time, change.host, change.kind, *told, change.since, change.run)
