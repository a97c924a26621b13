"""What `mlufleet gather` prints: the plan, failures, and what is left to do by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from fleet.gather.vendor_files import VendorFile, select_missing
from fleet.gather.work import GatherResults, PlanRow
from fleet.store.verify import FileProblem
from fleet.text import sanitize


@dataclass(frozen=True)
class Outcome:
    """What is known after a plan or a run.

    Attributes:
        problems: what cannot be gathered.
        by_hand: what has to be put into the store by hand.
        notes: what else is to be known.
        rows: the plan; empty after a run.
        results: what a run has done; None for a plan.
    """

    problems: Sequence[FileProblem]
    by_hand: Sequence[VendorFile]
    notes: Sequence[str]
    rows: Sequence[PlanRow] = ()
    results: GatherResults | None = None

    def print_json(self) -> None:
        """Print everything as one JSON document."""
        wrong = [
            {
                "path": problem.name,
                "code": problem.failure.code,
                "detail": problem.failure.detail,
                "remedy": problem.failure.remedy,
            }
            for problem in self.problems
        ]
        document: dict[str, Any] = {
            "wrong": wrong,
            "by_hand": [asdict(file) for file in self.by_hand],
            "notes": list(dict.fromkeys(self.notes)),
        }
        if self.results:
            document |= {"gathered": self.results.gathered, "present": self.results.present}
        else:
            document["plan"] = [asdict(row) for row in self.rows]
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))

    def print_text(self, store: Path) -> None:
        """Print everything for people.

        Args:
            store: folder of the store.
        """
        if not self.results:
            _print_plan(self.rows, store)
        for problem in self.problems:
            failure = problem.failure
            place = store / problem.name
            _print_line(f"{place}: {failure.code}: {failure.sentence}")
            _print_line(f"  remedy: {failure.remedy}")
        _print_by_hand(self.by_hand, store)
        for note in dict.fromkeys(self.notes):
            _print_line(f"note: {note}")
        if self.results:
            click.echo(
                f"{len(self.results.gathered)} gathered, {len(self.results.present)} already "
                f"there, {len(self.problems)} failed, {len(select_missing(self.by_hand))} to be "
                "put there by hand"
            )


def _print_line(line: str) -> None:
    click.echo(sanitize.escape_line(line))


def _print_plan(rows: Sequence[PlanRow], store: Path) -> None:
    table = Table("file or folder", "state", "to receive", "from")
    for row in rows:
        size = decimal(row.size) if row.size is not None else "unknown"
        name, origin = str(store / row.name), row.origin
        table.add_row(Text(name, overflow="fold"), row.state, size, Text(origin, overflow="fold"))
    Console(highlight=False).print(table)
    known, unknown = sum(row.size or 0 for row in rows), [row for row in rows if row.size is None]
    more = f", and {len(unknown)} of unknown size" if unknown else ""
    click.echo(f"{decimal(known)} to receive{more}")


def _print_by_hand(files: Sequence[VendorFile], store: Path) -> None:
    """Print what only the vendor or the site has, grouped by its origin."""
    missing = select_missing(files)
    for origin in dict.fromkeys(file.origin for file in files):
        click.echo(f"by hand, from {origin}:")
        for file in files:
            if file.origin != origin:
                continue
            state = f"there, {file.size} bytes" if file.size is not None else "not there"
            if file in missing:
                state = "missing, one of these is enough" if file.group else "missing"
            _print_line(f"  {store / file.name}: {state} ({file.purpose})")
