"""When a host was seen as the report tells of it, and whether it may be otherwise by now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

#: of the year 9999
MAX_EPOCH_S = 253_402_300_800


def format_utc(epoch: float) -> str:
    """A time as machines read it and people can; "?" for one that no calendar has."""
    if not 0 <= epoch < MAX_EPOCH_S:
        return "?"
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def stale_note(epoch: float | None, old: bool) -> str:
    """Of a host that was not looked at after the last that was done to it; "" for any other."""
    if epoch is None or not old:
        return ""
    return (
        f"last seen at {format_utc(epoch)}; something was done to it since, or it was lost: its "
        "cards and versions are those of then"
    )


def stale_note_for(host: Mapping[str, Any]) -> str:
    """The same of a host of a report, whichever version of the project wrote it."""
    return stale_note(host.get("seen"), host.get("old", False))
