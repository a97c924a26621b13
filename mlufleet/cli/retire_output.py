"""What a retirement would remove and what would stay, before the operator is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from fleet.language import _, n_
from fleet.text import sanitize
from mlufleet.report import host_ranges
from mlufleet.report.model import HostReport, Report
from mlufleet.report.terminal import left_items

#: hosts that differ from each other are listed up to this number
MAX_BLOCKS = 50


def review(report: Report) -> list[str]:
    """Return what would go and what would stay, and the question whether to go on.

    Args:
        report: What the probes of all hosts found.
    """
    count = len(_list_pending(report))
    question = n_("Retire {count} host?", "Retire {count} hosts?", count)
    return [*map(sanitize.escape_line, plan_lines(report)), question]


def print_plans(report: Report, folder: Path, *, err: bool) -> None:
    """Print what would go and what would stay on each host, and how many hosts would be retired.

    Args:
        report: What the probes of all hosts found.
        folder: Folder of the run.
        err: Print to standard error, else to standard output.
    """
    for line in plan_lines(report):
        click.echo(sanitize.escape_line(line), err=err)
    pending, count = len(_list_pending(report)), len(report.hosts)
    click.echo(
        n_(
            "{pending} of {count} host would be retired; report: {folder}/report.json",
            "{pending} of {count} hosts would be retired; report: {folder}/report.json",
            count,
            pending=pending,
            folder=folder,
        ),
        err=err,
    )


def plan_lines(report: Report) -> Iterator[str]:
    """Return what would go and what would stay; hosts that are alike share a block.

    Args:
        report: What the probes of all hosts found.
    """
    hosts = report.sorted_hosts()
    blocks = host_ranges.group_hosts((name, tuple(_describe(host))) for name, host in hosts)
    for lines, names in list(blocks.items())[:MAX_BLOCKS]:
        yield f"{host_ranges.format_hosts(names)}:"
        yield from (f"  {line}" for line in lines)
    if rest := list(blocks.values())[MAX_BLOCKS:]:
        count = sum(map(len, rest))
        yield _(
            "… and {count} more hosts: `mlufleet run drift {run}` lists them",
            count=count,
            run=report.run,
        )


def _list_pending(report: Report) -> list[str]:
    return [name for name, host in report.hosts.items() if host.drift and not host.failure]


def _describe(host: HostReport) -> Iterator[str]:
    if mark := host.quarantine:
        yield _(
            "in quarantine since {since} by {by}: {reason}; that ends with it",
            since=mark.since,
            by=mark.by,
            reason=mark.reason,
        )
    if host.failure:
        yield _(
            "cannot be retired: {code}: {sentence}",
            code=host.failure.code,
            sentence=host.failure.sentence,
        )
        return
    if not host.drift:
        yield _("nothing to remove") if host.status == "ok" else _("was not looked at")
    for words in host.drift.values():
        yield from words
    yield from (line for _host, line in left_items([("", host)]))
