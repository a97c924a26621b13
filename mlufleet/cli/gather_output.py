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
from fleet.language import N_, _
from fleet.store.verify import FileProblem
from fleet.text import sanitize

#: whether a file is in the store already
STATE_WORDS = {"present": N_("present"), "partial": N_("partial"), "missing": N_("missing")}


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
            _print_line("  " + _("remedy: {remedy}", remedy=failure.remedy))
        _print_by_hand(self.by_hand, store)
        for note in dict.fromkeys(self.notes):
            _print_line(_("note: {note}", note=note))
        if self.results:
            click.echo(
                _(
                    "{gathered} gathered, {present} already there, {failed} failed, {missing} "
                    "to be put there by hand",
                    gathered=len(self.results.gathered),
                    present=len(self.results.present),
                    failed=len(self.problems),
                    missing=len(select_missing(self.by_hand)),
                )
            )


def _print_line(line: str) -> None:
    click.echo(sanitize.escape_line(line))


def _print_plan(rows: Sequence[PlanRow], store: Path) -> None:
    table = Table(_("file or folder"), _("state"), _("to receive"), _("from"))
    for row in rows:
        size = decimal(row.size) if row.size is not None else _("unknown")
        name, origin = str(store / row.name), row.origin
        table.add_row(
            Text(name, overflow="fold"),
            _(STATE_WORDS[row.state]),
            size,
            Text(origin, overflow="fold"),
        )
    Console(highlight=False).print(table)
    known, unknown = sum(row.size or 0 for row in rows), [row for row in rows if row.size is None]
    total = _("{size} to receive", size=decimal(known))
    if unknown:
        total = _(
            "{size} to receive, and {count} of unknown size",
            size=decimal(known),
            count=len(unknown),
        )
    click.echo(total)


def _print_by_hand(files: Sequence[VendorFile], store: Path) -> None:
    """Print what only the vendor or the site has, grouped by its origin."""
    missing = select_missing(files)
    for origin in dict.fromkeys(file.origin for file in files):
        click.echo(_("by hand, from {origin}:", origin=origin))
        for file in files:
            if file.origin != origin:
                continue
            state = (
                _("there, {size} bytes", size=file.size)
                if file.size is not None
                else _("not there")
            )
            if file in missing:
                state = _("missing, one of these is enough") if file.group else _("missing")
            _print_line(f"  {store / file.name}: {state} ({file.purpose})")
