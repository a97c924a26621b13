"""The last runs of a site, as the status page lists them: read again only when they change."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.language import _
from fleet.text import sanitize
from mlufleet.journal import run_folders
from mlufleet.report.derive import REPORT_FILE
from mlufleet.report.html_page import describe_kind
from mlufleet.report.model import parse_report
from mlufleet.report.verdicts import run_verdict

#: runs that are listed
MAX_RUNS = 10
#: parts of a report that its summary is made of, beside the statuses of its hosts
REPORT_KEYS = ("run", "kind", "started", "ended", "dry", "interrupted", "exit")
#: size and time of a report -> it was not written since
Version = tuple[int, int]


@dataclass(frozen=True)
class RunSummary:
    """A run in a line.

    Attributes:
        run: Its name.
        kind: Its kind; empty without a report.
        started: When it began; None if that is not known.
        ended: When it ended; None while it runs, and if it was killed.
        verdict: What it means for its hosts.
        counts: Status -> number of hosts.
        exit: Exit status; None if it has none yet.
    """

    run: str
    kind: str = ""
    started: float | None = None
    ended: float | None = None
    verdict: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    exit: int | None = None


class LastRuns:
    """Reads the reports of the last runs; of those, only what has changed since."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Version, RunSummary]] = {}

    def read(self, limit: int = MAX_RUNS) -> list[RunSummary]:
        """Return the last runs, the newest first.

        Args:
            limit: How many.
        """
        folders = run_folders.list_runs()[:limit]
        self._known = {folder: self._read_run(folder) for folder in folders}
        return [summary for _version, summary in self._known.values()]

    def _read_run(self, folder: Path) -> tuple[Version, RunSummary]:
        path = folder / REPORT_FILE
        try:
            found = path.stat()
            version = (found.st_size, found.st_mtime_ns)
            if (known := self._known.get(folder)) and known[0] == version:
                return known
            return version, _summarize(folder.name, json.loads(path.read_bytes()))
        except FileNotFoundError:
            return (0, 0), RunSummary(
                folder.name, verdict=_("No report yet: it runs, or was killed")
            )
        except (OSError, ValueError, RecursionError) as error:
            why = sanitize.join_lines(str(error))
            return (0, 0), RunSummary(
                folder.name, verdict=_("Its report cannot be read: {why}", why=why)
            )


def _summarize(name: str, data: Any) -> RunSummary:
    """Return the summary of a report, of which only a small part is validated."""
    if isinstance(data, dict):
        hosts = data.get("hosts")
        data = {key: data[key] for key in REPORT_KEYS if key in data}
        if isinstance(hosts, dict):
            hosts = {host: _only_status(one) for host, one in hosts.items()}
        data["hosts"] = hosts
    report = parse_report(data)
    kind = describe_kind(report.kind)
    return RunSummary(
        report.run or name,
        _("{kind}, dry run", kind=kind) if report.dry else kind,
        report.started,
        report.ended,
        run_verdict(report),
        report.counts,
        report.exit,
    )


def _only_status(host: Any) -> Any:
    return {"status": host.get("status")} if isinstance(host, dict) else host
