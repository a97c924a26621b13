"""The files that a run's report is read from, beside ``report.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet.documents import atomic_write
from mlufleet.report import exports, html, junit
from mlufleet.report.model import parse_report


def previous_report(folder: Path, hosts: Iterable[str]) -> dict[str, Any] | None:
    """The report of the run before this one that did more than look at one of these hosts."""
    for other in sorted(folder.parent.glob("2*"), reverse=True):
        if other.name < folder.name and (other / "report.json").is_file():
            with suppress(OSError, ValueError, RecursionError):  # spoilt, or no report: as if none
                found: dict[str, Any] = json.loads((other / "report.json").read_bytes())
                past = parse_report(found)
                if not past.dry and not past.hosts.keys().isdisjoint(hosts):
                    return found
    return None


def write_exports(found: dict[str, Any], folder: Path) -> None:
    """Write what people and machines read of a report beside ``report.json``."""
    texts = {
        "report.html": html.render_page(found, previous_report(folder, found["hosts"])),
        "junit.xml": junit.render_xml(found),
        "metrics.prom": exports.render_prometheus(found),
        "cards.csv": exports.render_cards_csv(found),
        "cards.json": exports.render_cards_json(found),
    }
    for name, text in texts.items():
        atomic_write.replace_file(folder / name, text)
