"""Journals and reports that tests make of plain dictionaries, as they are on disk."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlufleet.journal import events
from mlufleet.journal.journal import iterate_events
from mlufleet.report.derive import derive_report
from mlufleet.report.model import Report


def parse_lines(lines: Iterable[dict[str, Any]]) -> list[events.Event]:
    """Return the events of decoded lines of a journal."""
    return [event for line in lines if (event := events.parse(line)) is not None]


def derive(lines: Iterable[dict[str, Any]], run: str = "r") -> Report:
    """Return the report of decoded lines of a journal."""
    return derive_report(parse_lines(lines), run)


def read_events(folder: Path) -> list[events.Event]:
    """Return the events of a run's journal."""
    return list(iterate_events(folder))


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """Return the decoded lines of a run's journal."""
    lines: list[dict[str, Any]] = []
    for line in (folder / "journal.jsonl").read_bytes().splitlines():
        with suppress(ValueError):  # the last one may be half written
            lines.append(json.loads(line))
    return lines


def read_new_lines(runs: Path, known: Collection[Path]) -> list[dict[str, Any]]:
    """Return the decoded lines of the journals of runs that are not known yet.

    :param runs: folder of the runs
    :param known: folders of the known ones
    """
    new = sorted(path for path in runs.glob("2*") if path not in known)
    return [line for path in new if (path / "journal.jsonl").exists() for line in read_lines(path)]
