"""Times and durations as people read them."""

from __future__ import annotations

from datetime import datetime, timezone

from fleet.language import _

#: begin of the year 9999, beyond which dates cannot be calculated with
MAX_EPOCH_S = 253_402_300_800


def format_duration(seconds: float) -> str:
    """Return a duration such as "0.4 s", "4 s", "3 min 05 s" or "1 h 02 min".

    Args:
        seconds: The duration.
    """
    if 0 < seconds < 1:
        return _("{seconds:.1f} s", seconds=seconds)
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return _("{seconds} s", seconds=rest)
    if minutes < 60 and rest:
        return _("{minutes} min {seconds:02d} s", minutes=minutes, seconds=rest)
    if minutes < 60:
        return _("{minutes} min", minutes=minutes)
    hours, minutes = divmod(minutes, 60)
    if minutes:
        return _("{hours} h {minutes:02d} min", hours=hours, minutes=minutes)
    return _("{hours} h", hours=hours)


def format_age(seconds: float) -> str:
    """Return how long ago something was, in few words: "40 s", "14 min", "3 h" or "5 days".

    Args:
        seconds: The age; shorter than two units of a size is told in the next smaller one.
    """
    if seconds >= 2 * 86400:
        return _("{days} days", days=int(seconds // 86400))
    if seconds >= 2 * 3600:
        return _("{hours} h", hours=int(seconds // 3600))
    if seconds >= 2 * 60:
        return _("{minutes} min", minutes=int(seconds // 60))
    return _("{seconds} s", seconds=max(0, int(seconds)))


def format_utc(epoch: float) -> str:
    """Return a point in time such as "2026-01-31T09:15:00Z"; "?" if no calendar has it.

    Args:
        epoch: Seconds since the epoch.
    """
    if not 0 <= epoch < MAX_EPOCH_S:
        return "?"
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
