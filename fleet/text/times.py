"""Times and durations as people read them."""

from __future__ import annotations

from datetime import datetime, timezone

#: begin of the year 9999, beyond which dates cannot be calculated with
MAX_EPOCH_S = 253_402_300_800


def format_duration(seconds: float) -> str:
    """Return a duration such as "0.4 s", "4 s", "3 min 05 s" or "1 h 02 min".

    Args:
        seconds: The duration.
    """
    if 0 < seconds < 1:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"


def format_age(seconds: float) -> str:
    """Return how long ago something was, in few words: "40 s", "14 min", "3 h" or "5 days".

    Args:
        seconds: The age; shorter than two units of a size is told in the next smaller one.
    """
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def format_utc(epoch: float) -> str:
    """Return a point in time such as "2026-01-31T09:15:00Z"; "?" if no calendar has it.

    Args:
        epoch: Seconds since the epoch.
    """
    if not 0 <= epoch < MAX_EPOCH_S:
        return "?"
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
