"""Decisions in the watch's file."""

from __future__ import annotations

import json
import sqlite3

from mlufleet.watch.decision import Decision


def create_table(connection: sqlite3.Connection) -> None:
    """Version 3: what the watch has decided to do about hosts, and what came of it.

    Args:
        connection: A connection to the file.
    """
    connection.execute(
        "CREATE TABLE decisions (id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL,"
        " host TEXT NOT NULL, rung TEXT NOT NULL, reason TEXT NOT NULL, problems TEXT NOT NULL,"
        " ended REAL, outcome TEXT NOT NULL, run TEXT NOT NULL, proved INTEGER,"
        " over INTEGER NOT NULL)"
    )
    connection.execute("CREATE INDEX decisions_by_time ON decisions (time)")


def add_decision(connection: sqlite3.Connection, decision: Decision) -> int:
    """Write a decision, and return its number.

    Args:
        connection: A connection to the file, in a transaction.
        decision: The decision.
    """
    cursor = connection.execute(
        "INSERT INTO decisions (time, host, rung, reason, problems, ended, outcome, run, proved,"
        " over) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(decision.time, decision.host, decision.rung, decision.reason),
            json.dumps(decision.problems, ensure_ascii=False),
            *(decision.ended, decision.outcome, decision.run),
            *(decision.is_proved, decision.is_over),
        ),
    )
    return int(cursor.lastrowid or 0)


def update_decision(connection: sqlite3.Connection, decision: Decision) -> None:
    """Write what came of a decision.

    Args:
        connection: A connection to the file, in a transaction.
        decision: The decision, with the number that it was given.
    """
    connection.execute(
        "UPDATE decisions SET time = ?, ended = ?, outcome = ?, run = ?, proved = ?, over = ?"
        " WHERE id = ?",
        (
            *(decision.time, decision.ended, decision.outcome, decision.run),
            *(decision.is_proved, decision.is_over, decision.number),
        ),
    )


def list_decisions(connection: sqlite3.Connection, since: float = 0.0) -> list[Decision]:
    """Return decisions, oldest first.

    Args:
        connection: A connection to the file.
        since: Only those from this time on, in seconds since the epoch.
    """
    rows = connection.execute(
        "SELECT id, time, host, rung, reason, problems, ended, outcome, run, proved, over"
        " FROM decisions WHERE time >= ? ORDER BY id",
        (since,),
    )
    return [
        Decision(
            *(time, host, rung, reason, tuple(json.loads(problems))),
            number=number,
            ended=ended,
            outcome=outcome,
            run=run,
            is_proved=None if proved is None else bool(proved),
            is_over=bool(over),
        )
        for number, time, host, rung, reason, problems, ended, outcome, run, proved, over in rows
    ]


def has_table(connection: sqlite3.Connection) -> bool:
    """Return whether the file has such decisions; one of an earlier version has none.

    Args:
        connection: A connection to the file.
    """
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'decisions'").fetchone()
    return found is not None
