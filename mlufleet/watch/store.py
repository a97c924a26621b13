"""What the watch keeps between two starts: states of hosts, their looks, and what has changed.

Everything of one look is one transaction, so a kill at any moment loses nothing that was recorded
and leaves nothing half recorded. A disk that is full or a file that is damaged does not stop the
watch: what cannot be written is kept in memory, and written with one of the next looks.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.text.times import format_utc
from mlufleet.watch import database, decision_table, queries, state_folder
from mlufleet.watch.database import NewerVersion
from mlufleet.watch.decision import Decision
from mlufleet.watch.observation import Observation
from mlufleet.watch.problems import Change, HostState
from mlufleet.watch.queries import LookCount
from mlufleet.watch.waiting import Waiting

#: name of the file in the folder of the watch
FILE_NAME = "watch.sqlite3"
#: seconds between two attempts to write to a file that could not be written
RETRY_S = 10.0
#: changes that a receiver of notices is told at once, at most
MAX_UNTOLD = 1000
#: what SQLite puts beside the file
_SUFFIXES = ("", "-wal", "-shm")


class Store:
    """The file of a watch that is at work; methods can be called by any thread.

    Attributes:
        path: The file.
        error: Why nothing can be written at present, with a remedy; empty for nothing.
        moved_aside: Damaged files that were moved aside, as they are named now.
    """

    def __init__(self, folder: Path, *, retry_s: float = RETRY_S) -> None:
        """Open the file; it is created if there is none.

        Args:
            folder: Folder of the watch; it is created if there is none.
            retry_s: Seconds between two attempts to write to a file that could not be written.

        Raises:
            InvalidInput: The folder is not for this user alone, another watch uses it, or a newer
                version of this project wrote the file.
        """
        self.path = folder / FILE_NAME
        self.error = ""
        self.moved_aside: list[Path] = []
        self._retry_s, self._retry_at = retry_s, 0.0
        self._lock = threading.RLock()
        self._waiting = Waiting()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        state_folder.prepare(folder)
        self._holder = state_folder.hold(folder)
        try:
            self._attempt(is_start=True)
        except NewerVersion as error:
            self.close()
            raise InvalidInput(
                _(
                    "{path}: {error}; remedy: use the version of mlu-fleet that wrote it, "
                    "or another folder (--state)",
                    path=self.path,
                    error=error,
                )
            ) from None

    def close(self) -> None:
        """Write what waits, if that is possible, and close the file."""
        with self._lock:
            self._retry_at = 0.0
            if self._waiting:
                self._attempt()
            self._disconnect()
            if self._holder >= 0:
                os.close(self._holder)
                self._holder = -1

    def record(
        self, observation: Observation, state: HostState, changes: Iterable[Change] = ()
    ) -> None:
        """Keep what a look brought. When this returns and `error` is empty, it is in the file.

        Args:
            observation: The look.
            state: What is known of the host after it.
            changes: What it changed.
        """
        with self._lock:
            self._waiting.add(observation, state, changes)
            self._attempt()

    def load_states(self) -> dict[str, HostState]:
        """Return what is known of each host."""
        with self._lock:
            return {**self._read(queries.load_states, {}), **self._waiting.states}

    def load_observations(self) -> dict[str, tuple[Observation | None, Observation | None]]:
        """Return of each host the last look that probed it, and the last look."""
        with self._lock:
            found = self._read(queries.load_observations, {})
            for host, last in self._waiting.last.items():
                probed = self._waiting.probed.get(host, found.get(host, (None, None))[0])
                found[host] = (probed, last)
            return found

    def list_changes(
        self, host: str | None = None, since: float | None = None, limit: int | None = None
    ) -> list[Change]:
        """Return changes, oldest first.

        Args:
            host: Only those of this host.
            since: Only those from this time on, in seconds since the epoch.
            limit: Only the latest ones, so many.
        """
        with self._lock:
            found = self._read(lambda one: queries.list_changes(one, host, since, limit), [])
            waiting = [
                change
                for change in self._waiting.changes
                if host in (None, change.host) and (since is None or change.time >= since)
            ]
            found += waiting
            return found if limit is None else found[len(found) - min(limit, len(found)) :]

    def list_looks(self, host: str | None = None, since: float | None = None) -> list[LookCount]:
        """Return how many looks had which result, by the hour, oldest first.

        Args:
            host: Only those at this host.
            since: Only hours that end after this time.
        """
        with self._lock:
            return self._read(lambda one: queries.list_looks(one, host, since), [])

    def list_untold(self, receiver: str) -> list[tuple[int, Change]]:
        """Return the changes since the last one that a receiver was told, with their numbers.

        A receiver that was not there before begins with what changes from now on.

        Args:
            receiver: Name of the receiver.
        """
        with self._lock:
            waiting = self._waiting
            if waiting.last_number is None:
                return []  # no file could be opened yet: nobody knows who was told what
            if receiver not in waiting.told:
                numbered = waiting.list_numbered()
                self.mark_told(receiver, numbered[-1][0] if numbered else waiting.last_number)
                return []
            told = waiting.told[receiver]
            found = self._read(lambda one: queries.list_changes_after(one, told, MAX_UNTOLD), None)
            if found is None or len(found) == MAX_UNTOLD:  # those that wait come after these
                return found or []
            return found + [each for each in waiting.list_numbered() if each[0] > told]

    def mark_told(self, receiver: str, number: int) -> None:
        """Note that a receiver knows everything up to a change.

        Args:
            receiver: Name of the receiver.
            number: Number of the change.
        """
        with self._lock:
            self._waiting.told[receiver] = number
            self._waiting.is_told_new = True
            self._attempt()

    def add_decision(self, decision: Decision) -> Decision | None:
        """Write a decision at once.

        Args:
            decision: The decision.

        Returns:
            The same with its number; None if it could not be written, and must not be acted on.
        """
        number = self._write_now(lambda one: decision_table.add_decision(one, decision))
        return None if number is None else replace(decision, number=number)

    def update_decision(self, decision: Decision) -> bool:
        """Write what came of a decision at once, and return whether that was possible.

        Args:
            decision: The decision, with its number.
        """

        def update(connection: sqlite3.Connection) -> bool:
            decision_table.update_decision(connection, decision)
            return True

        return bool(self._write_now(update))

    def list_decisions(self, since: float = 0.0) -> list[Decision]:
        """Return decisions, oldest first.

        Args:
            since: Only those from this time on, in seconds since the epoch.
        """
        with self._lock:
            return self._read(lambda one: decision_table.list_decisions(one, since), [])

    def prune(self, now: float, keep_s: float) -> None:
        """Forget looks and changes that are too old, and hosts that were not looked at since.

        Args:
            now: The time, in seconds since the epoch.
            keep_s: Seconds for which they are kept.
        """
        with self._lock:
            self._waiting.forget = now, keep_s
            self._attempt()

    def _write_now(self, write: queries.Query[queries.T]) -> queries.T | None:
        """Write in a transaction of its own; None if that is not possible."""
        with self._lock:
            self._attempt()  # what waits was first
            if self.error or self._connection is None:
                return None
            try:
                self._connection.execute("PRAGMA synchronous = FULL")
                with database.transaction(self._connection):
                    return write(self._connection)
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
                return None

    def _read(self, query: queries.Query[queries.T], default: queries.T) -> queries.T:
        """Read the file, also while it cannot be written."""
        try:
            if self._connection:
                return query(self._connection)
            with contextlib.closing(database.open_for_reading(self.path)) as connection:
                return query(connection)
        except sqlite3.Error:
            return default  # the next write says why

    def _attempt(self, *, is_start: bool = False) -> None:
        """Write what waits, or say in `error` why that is not possible."""
        if time.monotonic() < self._retry_at:
            return
        for _try in range(2):  # a damaged file is moved aside, and a new one takes its place
            try:
                connection = self._connect()
                if self._waiting:
                    self._waiting.write(connection)
                self.error = ""
                return
            except NewerVersion as error:
                if is_start:
                    raise
                self._fail(error)
                return
            except (sqlite3.Error, OSError) as error:
                if not self._fail(error):
                    return

    def _connect(self) -> sqlite3.Connection:
        if self._connection and self._is_replaced():  # what is written now would be nowhere
            self._disconnect()
        if self._connection is None:
            self._connection = database.open_for_writing(self.path)
            self._inode = self.path.stat().st_ino
            last_number = queries.find_last_number(self._connection)
            self._waiting.begin(last_number, queries.load_told(self._connection))
        return self._connection

    def _is_replaced(self) -> bool:
        try:
            return self.path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def _disconnect(self) -> None:
        if self._connection:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _fail(self, error: Exception) -> bool:
        """Note why the file cannot be used; return whether to try again at once."""
        self._disconnect()
        # others (full, busy, read-only, I/O) are OperationalError
        is_damaged = type(error) is sqlite3.DatabaseError
        if is_damaged and self._move_aside():
            return True
        self._retry_at = time.monotonic() + self._retry_s
        self.error = _(
            "the history cannot be written: {path}: {error}; looks and changes are "
            "kept in memory until it can; remedy: check free space and rights of "
            "that folder",
            path=self.path,
            error=error,
        )
        return False

    def _move_aside(self) -> bool:
        name = f"{self.path.name}.damaged-{format_utc(time.time()).replace(':', '')}"
        target, number = self.path.with_name(name), 1
        while target.exists():
            number += 1
            target = self.path.with_name(f"{name}-{number}")
        try:
            for suffix in _SUFFIXES:
                old = self.path.with_name(self.path.name + suffix)
                if old.exists():
                    old.rename(target.with_name(target.name + suffix))
        except OSError:
            return False
        self.moved_aside.append(target)
        return True
