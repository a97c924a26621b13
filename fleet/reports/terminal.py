"""A run's report on a terminal."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.reports import seen
from operations.state import WORKS


def degraded(host: dict[str, Any]) -> str:
    """Which cards of a host work, if some do and some do not."""
    cards = host["cards"]
    works = [address for address, state in cards.items() if state == WORKS]
    if not works or len(works) == len(cards):
        return ""
    said = ", ".join(f"{address} {state}" for address, state in cards.items())
    return f"degraded, {len(works)} of {len(cards)} cards work: {said}"


def boards(host: dict[str, Any]) -> str:
    """How many cards a host has, and of which models, as far as they are known."""
    models = ", ".join(dict.fromkeys(host["models"].values()))
    return f"{host['versions'].get('cards', '')} {models}".strip()


MARKS = {"ok": "green", "changed": "yellow", "failed": "red", "unreachable": "red",
         "skipped": "cyan", "not started": "cyan", "rolled back": "magenta"}  # fmt: skip


def summary(report: dict[str, Any], folder: Path) -> None:
    """Every host on a terminal (standard error), with what failed and what to do."""
    console = Console(stderr=True, highlight=False)
    table = Table(title=f"run {report['run']}", title_justify="left")
    for column in ("host", "status", "driver", "cards", "stages changed", "seconds", "answer"):
        table.add_column(column)
    for name, host in sorted(report["hosts"].items()):
        changed = [stage["stage"] for stage in host["stages"] if stage["changes"]]
        seconds = sum(stage["seconds"] for stage in host["stages"])
        # as plain text: a model's answer may have brackets that are markup to rich
        cells = [name, host["status"], host["versions"].get("driver", ""),
                 boards(host), " ".join(changed) or "-", f"{seconds:.0f}",
                 host["answer"] or ""]  # fmt: skip
        row = [Text(str(cell)) for cell in cells]
        row[1].stylize(MARKS[host["status"]])
        table.add_row(*row)
    console.print(table)
    for name, host in sorted(report["hosts"].items()):
        if failure := host["failure"]:
            # lines are not broken: a command in one can be copied whole
            say = partial(console.print, markup=False, soft_wrap=True)
            say(f"{name}: {failure['code']}: {failure['sentence']}", style="red")
            for line in failure["tail"]:
                say(f"    {line}")
            say(f"  remedy: {failure['remedy']}")
        if back := host["rolled_back"]:
            end = f"went back to {back['to']}" if back["to"] else "did not come back"
            console.print(f"{name}: from {back['from'] or 'its release'} it {end}", style="magenta")
        for line in (seen.of(host), degraded(host), *host["notes"]):
            if line:
                console.print(f"{name}: {line}", markup=False, soft_wrap=True)
    total = len(report["hosts"])
    same = sum(host["status"] == "ok" for host in report["hosts"].values())
    if swarmed := sum(host.get("swarmed", 0) for host in report["hosts"].values()):
        sent = report["seeded"] + sum(host["sent"] for host in report["hosts"].values())
        console.print(f"{swarmed / 1e6:,.0f} MB came by swarms; "
                      f"{sent / 1e6:,.0f} MB left this machine")  # fmt: skip
    if any(host["stages"] for host in report["hosts"].values()):
        # models of pydantic's are made when they are imported: not for a run that did nothing
        from fleet.reports import shares
        from fleet.reports.reported import read

        for line in shares.told(read(report)):
            console.print(line, markup=False, soft_wrap=True)
    console.print(f"{same} of {total} hosts needed no change; report: {folder}/report.json")
