"""The SQLite file of the watch: its tables, the steps from each version to the next, queries."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from fleet.language import _
from mlufleet.watch import decision_table

#: seconds that a connection waits for another one that writes
BUSY_TIMEOUT_S = 10.0
#: each look changes three pages, and all of a page is written
PAGE_BYTES = 1024
#: bytes to which the write-ahead log grows, unless somebody reads for long
WAL_BYTES = 4 << 20


def _create_tables(connection: sqlite3.Connection) -> None:
    """Version 1: hosts, what looks saw, and what changed.

    A host's observations are rows of their own, as they are long and seldom differ: `body` has what
    stays, `fresh` what is another one at each look. Looks are counted by the hour.
    """
    for statement in (
        "CREATE TABLE hosts"
        " (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL)",
        "CREATE TABLE observations (host INTEGER NOT NULL, sort TEXT NOT NULL,"
        " fresh TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (host, sort)) WITHOUT ROWID",
        "CREATE TABLE looks (host INTEGER NOT NULL, hour INTEGER NOT NULL, outcome TEXT NOT NULL,"
        " code TEXT NOT NULL, health TEXT NOT NULL, count INTEGER NOT NULL,"
        " seconds REAL NOT NULL, slowest REAL NOT NULL,"
        " PRIMARY KEY (host, hour, outcome, code, health)) WITHOUT ROWID",
        # a number is never given twice: receivers are told what comes after one
        "CREATE TABLE changes (id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL,"
        " host TEXT NOT NULL, kind TEXT NOT NULL, code TEXT NOT NULL, subject TEXT NOT NULL,"
        " sentence TEXT NOT NULL, remedy TEXT NOT NULL, since REAL NOT NULL, run TEXT NOT NULL)",
        "CREATE INDEX changes_by_host ON changes (host, time)",
        "CREATE INDEX changes_by_time ON changes (time)",
    ):
        connection.execute(statement)


def _add_receivers(connection: sqlite3.Connection) -> None:
    """Version 2: up to which change each receiver of notices was told."""
    connection.execute(
        "CREATE TABLE receivers (name TEXT PRIMARY KEY, told INTEGER NOT NULL) WITHOUT ROWID"
    )


#: step -> how the file comes from the version of that number to the next; only ever appended to
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _create_tables,
    _add_receivers,
    decision_table.create_table,
)
VERSION = len(MIGRATIONS)


class NewerVersion(sqlite3.DatabaseError):
    """The file was written by a newer version of this project."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the file, create it, or bring it to the present version.

    Args:
        path: The file; its folder is there.

    Returns:
        A connection that any thread can use, one at a time.

    Raises:
        NewerVersion: It has a version that this project does not know.
        sqlite3.Error: It is damaged, or cannot be written.
    """
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        if connection.execute("PRAGMA page_count").fetchone() == (0,):
            # before there are tables: pages that are no longer used can be given back
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // PAGE_BYTES}")
        check(connection)
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the file beside whoever writes it.

    Args:
        path: The file.

    Raises:
        NewerVersion: It has a version that this project does not know.
        sqlite3.Error: It is not there, damaged, or cannot be read.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        read_version(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def check(connection: sqlite3.Connection) -> None:
    """Check that the file is whole.

    Args:
        connection: A connection to it.

    Raises:
        sqlite3.DatabaseError: It is not.
    """
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(str(found))


def read_version(connection: sqlite3.Connection) -> int:
    """Return the version of the file; 0 for an empty one.

    Args:
        connection: A connection to it.

    Raises:
        NewerVersion: This project does not know it.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise NewerVersion(
            _(
                "version {version}, and this is for versions up to {newest}",
                version=version,
                newest=VERSION,
            )
        )
    return version


def migrate(connection: sqlite3.Connection, to: int = VERSION) -> None:
    """Bring the file to a version, each step whole or not at all.

    Args:
        connection: A connection to it.
        to: The version; that of this project, but for tests.
    """
    for number in range(read_version(connection), to):
        with transaction(connection):
            if read_version(connection) == number:  # not done by another process meanwhile
                MIGRATIONS[number](connection)
                connection.execute(f"PRAGMA user_version = {number + 1}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do several things in the file, all of them or none.

    Args:
        connection: A connection to it.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # a full disk can have ended the transaction already
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
