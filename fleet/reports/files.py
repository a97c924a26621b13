"""The files that a run's report is read from, beside ``report.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet import whole
from fleet.reports import handover, junit, page
from fleet.reports.reported import read


def previous(folder: Path, hosts: Iterable[str]) -> dict[str, Any] | None:
    """The report of the run before this one that did more than look at one of these hosts."""
    for other in sorted(folder.parent.glob("2*"), reverse=True):
        if other.name < folder.name and (other / "report.json").is_file():
            with suppress(OSError, ValueError, RecursionError):  # spoilt, or no report: as if none
                found: dict[str, Any] = json.loads((other / "report.json").read_bytes())
                past = read(found)
                if not past.dry and not past.hosts.keys().isdisjoint(hosts):
                    return found
    return None


def publish(found: dict[str, Any], folder: Path) -> None:
    """Write what people and machines read of a report beside ``report.json``."""
    texts = {
        "report.html": page.render(found, previous(folder, found["hosts"])),
        "junit.xml": junit.render(found),
        "metrics.prom": handover.prometheus(found),
        "cards.csv": handover.facts_csv(found),
        "cards.json": handover.facts_json(found),
    }
    for name, text in texts.items():
        whole.write(folder / name, text)
