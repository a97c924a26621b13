"""What the watch's file forgets: by its own times, as the clock of the controller may be wrong."""

from __future__ import annotations

import sqlite3

from mlufleet.watch.queries import HOUR_S

#: seconds of looks after a time that prove that time has passed, if so many are kept
PROVEN_S = 7 * 86400.0


def find_begin(connection: sqlite3.Connection, now: float, keep_s: float) -> float:
    """Return the time before which everything is to be forgotten.

    That is `keep_s` ago if the looks since then are of many hours. After a jump of the clock they
    are not: then as many hours with looks are kept as there are in that time, however old.

    Args:
        connection: A connection to the file.
        now: The time, in seconds since the epoch.
        keep_s: Seconds for which looks and changes are kept.
    """
    before = now - keep_s
    first, last = connection.execute(
        "SELECT min(hour), max(hour) FROM looks WHERE hour BETWEEN ? AND ?",
        (int(before // HOUR_S), int(now // HOUR_S)),
    ).fetchone()
    if first is not None and (last - first) * HOUR_S >= min(PROVEN_S, keep_s / 2):
        return before
    oldest = connection.execute(
        "SELECT DISTINCT hour FROM looks ORDER BY hour DESC LIMIT 1 OFFSET ?",
        (int(keep_s // HOUR_S),),
    ).fetchone()
    return min(before, (oldest[0] + 1) * HOUR_S) if oldest else min(before, 0.0)


def forget(connection: sqlite3.Connection, now: float, keep_s: float) -> None:
    """Remove looks, changes and decisions that are too old, and hosts that have no others.

    Args:
        connection: A connection to the file, in a transaction.
        now: The time, in seconds since the epoch.
        keep_s: Seconds for which they are kept.
    """
    before = find_begin(connection, now, keep_s)
    connection.execute("DELETE FROM changes WHERE time < ?", (before,))
    connection.execute("DELETE FROM decisions WHERE time < ?", (before,))
    connection.execute("DELETE FROM looks WHERE hour < ?", (int(before // HOUR_S),))
    # whatever is kept of a host that is no longer watched
    connection.execute("DELETE FROM hosts WHERE id NOT IN (SELECT host FROM looks)")
    connection.execute("DELETE FROM observations WHERE host NOT IN (SELECT id FROM hosts)")
