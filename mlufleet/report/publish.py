"""Writes the files that a run's report is read from, beside ``report.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fleet.documents import atomic_write
from mlufleet.report import exports, html, junit
from mlufleet.report.derive import REPORT_FILE
from mlufleet.report.model import Report, parse_report


def previous_report(folder: Path, hosts: Iterable[str]) -> Report | None:
    """Return the report of the last run before this one that worked on one of its hosts.

    Dry runs and reports that cannot be read are passed over.

    Args:
        folder: Folder of this run.
        hosts: Names of the hosts of this run.
    """
    for other in sorted(folder.parent.glob("2*"), reverse=True):
        if other.name < folder.name and (other / REPORT_FILE).is_file():
            with suppress(OSError, ValueError, RecursionError):
                past = parse_report(json.loads((other / REPORT_FILE).read_bytes()))
                if not past.dry and not past.hosts.keys().isdisjoint(hosts):
                    return past
    return None


def write_exports(report: Report, folder: Path) -> None:
    """Write the page for people and the files for other machines.

    Args:
        report: Report of the run.
        folder: Folder of the run.

    Raises:
        OSError: A file cannot be written.
    """
    texts = {
        "report.html": html.render_page(report, previous_report(folder, report.hosts)),
        "junit.xml": junit.render_xml(report),
        "metrics.prom": exports.render_prometheus(report),
        "cards.csv": exports.render_cards_csv(report),
        "cards.json": exports.render_cards_json(report),
    }
    if report.kind == "retirement":
        texts["left.csv"] = exports.render_left_csv(report)
    for name, text in texts.items():
        atomic_write.replace_file(folder / name, text)
