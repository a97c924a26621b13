"""How a host's status looks in every output."""

from __future__ import annotations

from typing import NamedTuple

from mlufleet.report.model import STATUSES


class StatusStyle(NamedTuple):
    """How a status is shown.

    Attributes:
        glyph: Sign on the page: color alone tells some readers nothing, and paper has none.
        color: Color on a terminal.
    """

    glyph: str
    color: str


STATUS_STYLES = {
    "ok": StatusStyle("✓", "green"),
    "adopted": StatusStyle("+", "yellow"),
    "retired": StatusStyle("□", "yellow"),
    "changed": StatusStyle("↻", "yellow"),
    "failed": StatusStyle("✕", "red"),
    "unreachable": StatusStyle("?", "red"),
    "skipped": StatusStyle("–", "cyan"),
    "not started": StatusStyle("○", "cyan"),
    "rolled back": StatusStyle("↩", "magenta"),
}


def status_color(status: str) -> str:
    """Return the color of a status on a terminal; empty for an unknown one.

    Args:
        status: Status of a host.
    """
    return STATUS_STYLES[status].color if status in STATUS_STYLES else ""


def status_rank(status: str) -> int:
    """Return the place of a status, the most urgent one first.

    Args:
        status: Status of a host; an unknown one is urgent.
    """
    return STATUSES.index(status) if status in STATUSES else 0
