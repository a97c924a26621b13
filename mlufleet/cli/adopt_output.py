"""What `mlufleet adopt` prints of a look at hosts: text for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

from fleet.errors import ExitStatus
from fleet.language import N_, _, n_
from fleet.text import sanitize
from fleet.text.times import format_utc
from fleet.text.word_lists import join_clauses, join_words
from mlufleet.journal.events import FailureRecord, LockRecord
from mlufleet.report import host_ranges
from mlufleet.report.console import make_console, print_line
from mlufleet.report.model import HostReport, Report
from mlufleet.report.wrapping import wrap_cells
from mlufleet.rollout.fleet_survey import FleetSurvey, HostSurvey
from operations.adoption.findings import Finding, Relation

#: version of the JSON document; it changes when a key gets another meaning or is removed
SCHEMA_VERSION = 1
#: the JSON document in the folder of the run
LOOK_FILE = "adoption.json"
#: relations in the order in which a host's findings are printed, and their colors
RELATION_COLORS = {
    Relation.IN_THE_WAY: "red",
    Relation.DIFFERENT: "yellow",
    Relation.UNKNOWN: "yellow",
    Relation.MISSING: "cyan",
    Relation.REUSABLE: "green",
    Relation.PRESENT: "green",
    Relation.LEFT_ALONE: "",
}
RELATION_WORDS = {
    Relation.IN_THE_WAY: N_("in the way"),
    Relation.DIFFERENT: N_("different"),
    Relation.UNKNOWN: N_("unknown"),
    Relation.MISSING: N_("missing"),
    Relation.REUSABLE: N_("reusable"),
    Relation.PRESENT: N_("present"),
    Relation.LEFT_ALONE: N_("left alone"),
}
STATUS_COLORS = {
    N_("up to date"): "green",
    N_("adoptable"): "green",
    N_("refused"): "red",
    N_("unclear"): "yellow",
    N_("failed"): "red",
    N_("unreachable"): "red",
    N_("skipped"): "yellow",
}
#: characters of the first column of a finding, with its indentation
RELATION_WIDTH = 14
#: columns of text where the terminal does not say how many it has
MIN_TEXT_WIDTH = 40


@dataclass(frozen=True)
class HostLook:
    """What is known of one host after a look at it. Its fields are keys of the JSON document."""

    status: str
    """"up to date": nothing is to be done; "adoptable"; "refused": adoption would fail as things
    are; "unclear": a part of the host gave no answer; "failed": the host gave none;
    "unreachable"; "skipped": the look was interrupted before."""
    releases: str = ""
    """Names of the releases that the host is to have; empty if it was not probed."""
    began: str = ""
    """When the look at the host began, in UTC by the controller's clock."""
    ended: str = ""
    """When it ended. Nothing is known of what happened on the host since."""
    failure: FailureRecord | None = None
    """Why the host could not be looked at, or why adoption would fail; or null."""
    lock: LockRecord | None = None
    """Holder of the host's lock, or null. The look itself takes no lock."""
    findings: list[Finding] = field(default_factory=list)
    """What was found, item by item."""
    sent_bytes: int = 0
    """Bytes that adoption would have to send."""
    reused_bytes: int = 0
    """Bytes of the releases that the host has already."""

    @property
    def blockers(self) -> list[str]:
        """Why adoption would fail as things are, the first reason first."""
        said = [finding.blocker for finding in self.findings if finding.blocker]
        if self.failure:
            said.append(f"{self.failure.code}: {self.failure.sentence}")
        return said


class Progress:
    """Says on standard error how many hosts were looked at."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self._is_live = sys.stderr.isatty()

    def count(self, name: str) -> None:
        """Count a host.

        Args:
            name: The host, which was looked at or could not be.
        """
        self.done += 1
        if self._is_live:
            click.echo(
                "\r" + _("{done} of {total} hosts", done=self.done, total=self.total),
                nl=False,
                err=True,
            )
        elif self.total <= host_ranges.MAX_LISTED_HOSTS or self.done % (self.total // 10) == 0:
            click.echo(
                _("{done} of {total}: {host}", done=self.done, total=self.total, host=name),
                err=True,
            )

    @contextmanager
    def shown(self, total: int) -> Iterator[None]:
        """Show the progress until the context ends.

        Args:
            total: Number of hosts.
        """
        self.total = total
        notice = n_(
            "looking at {count} host; nothing is written there",
            "looking at {count} hosts; nothing is written there",
            total,
        )
        click.echo(notice, err=True)
        try:
            yield
        finally:
            if self._is_live:
                click.echo("\r\x1b[K", nl=False, err=True)


def combine(survey: FleetSurvey, report: Report) -> dict[str, HostLook]:
    """Return what is known of each host of a survey.

    Args:
        survey: The survey, which has ended.
        report: The report of its run, with the hosts that did not answer.
    """
    return {
        name: describe_host(report.hosts[name], survey.hosts.get(name))
        for name in sorted(survey.names, key=host_ranges.natural_key)
    }


def describe_host(report: HostReport, found: HostSurvey | None) -> HostLook:
    """Return what is known of one host.

    Args:
        report: Its part of the report of the run.
        found: What was found; None if it gave no answer.
    """
    if found is None:
        status = "failed" if report.failure else "skipped"
        if report.status == "unreachable":
            status = report.status
        return HostLook(status, report.wanted, failure=report.failure)
    refused = report.failure or any(finding.blocker for finding in found.findings)
    unclear = any(finding.relation is Relation.UNKNOWN for finding in found.findings)
    status = "up to date" if report.status == "ok" else "adoptable"
    if refused or unclear:
        status = "refused" if refused else "unclear"
    return HostLook(
        status,
        report.wanted,
        began=format_utc(found.began),
        ended=format_utc(found.ended),
        failure=report.failure,
        lock=report.lock,
        findings=found.findings,
        sent_bytes=sum(finding.sent_bytes for finding in found.findings),
        reused_bytes=sum(finding.reused_bytes for finding in found.findings),
    )


def exit_status(hosts: dict[str, HostLook], report: Report) -> ExitStatus:
    """Return the exit status of `mlufleet adopt`.

    Args:
        hosts: What is known of each host.
        report: The report of the run.
    """
    if report.interrupted:
        return ExitStatus.INTERRUPTED
    others = {look.status for look in hosts.values()} - {"up to date", "adoptable"}
    if not others:
        return ExitStatus.OK
    return ExitStatus.UNREACHABLE if others == {"unreachable"} else ExitStatus.FAILED


def to_json(hosts: dict[str, HostLook], report: Report) -> str:
    """Return a look at hosts as one JSON document.

    Args:
        hosts: What is known of each host.
        report: The report of the run.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "run": report.run,
        "interrupted": report.interrupted,
        "sent_bytes": sum(look.sent_bytes for look in hosts.values()),
        "reused_bytes": sum(look.reused_bytes for look in hosts.values()),
        "hosts": {
            name: {**asdict(look), "blockers": look.blockers} for name, look in hosts.items()
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False, default=lambda item: item.value)


def print_hosts(hosts: dict[str, HostLook], report: Report) -> None:
    """Print a block for each host, and the totals; hosts that are alike share a block.

    Args:
        hosts: What is known of each host.
        report: The report of the run.
    """
    console = make_console()
    alike = host_ranges.group_hosts(
        (name, name if len(hosts) <= host_ranges.MAX_LISTED_HOSTS else _describe_likeness(look))
        for name, look in hosts.items()
    )
    for names in alike.values():
        _print_host(console, names, hosts[names[0]])
    _print_wrapped(console, "", _("in all: {totals}", totals=describe_totals(hosts.values())))


def describe_totals(looks: Iterable[HostLook]) -> str:
    """Return how many hosts have which status, and how many bytes are to be sent.

    Args:
        looks: What is known of each host.
    """
    looks = list(looks)
    counts = {
        status: sum(look.status == status for look in looks)
        for status in STATUS_COLORS
        if any(look.status == status for look in looks)
    }
    words = [
        _("{count} {status}", count=count, status=_(status)) for status, count in counts.items()
    ]
    return join_clauses((join_words(words), _describe_bytes(looks)))


def _describe_bytes(looks: Iterable[HostLook]) -> str:
    looks = list(looks)
    sent = sum(look.sent_bytes for look in looks)
    reused = sum(look.reused_bytes for look in looks)
    return _("{sent} to send, {reused} reused", sent=decimal(sent), reused=decimal(reused))


def _describe_likeness(look: HostLook) -> str:
    """Return a text that is equal for hosts of which the same is known, whenever that was."""
    return repr(replace(look, began="", ended=""))


def _print_host(console: Console, names: list[str], look: HostLook) -> None:
    name = host_ranges.format_hosts(names)
    title = f"{name} ({look.releases}): " if look.releases else f"{name}: "
    line = Text(sanitize.escape_line(title), style="bold")
    line.append(_(look.status), STATUS_COLORS[look.status])
    if look.findings:
        size = _describe_bytes([look])
        each = _("{size} each", size=size) if len(names) > 1 else size
        line.append(f", {each}", "default")
    console.print(line, soft_wrap=True)
    if look.failure:
        _print_wrapped(console, "", f"{look.failure.code}: {look.failure.sentence}", "red", 2)
        _print_wrapped(console, "", _("remedy: {remedy}", remedy=look.failure.remedy), "", 4)
    if look.lock:
        held = _(
            "locked by {operator}, run {run}, since {since}",
            operator=look.lock.operator,
            run=look.lock.run,
            since=look.lock.since,
        )
        _print_wrapped(console, "", held, "yellow", 2)
    order = list(RELATION_COLORS)
    for finding in sorted(
        look.findings, key=lambda one: (not one.blocker, order.index(one.relation))
    ):
        _print_finding(console, finding)


def _print_finding(console: Console, finding: Finding) -> None:
    is_somebodys = finding.owner not in ("", "root")
    head = finding.item
    if is_somebodys:
        head = _("{item} (of {owner})", item=finding.item, owner=finding.owner)
    words = ", ".join(filter(None, (finding.place, finding.evidence)))
    texts = [f"{head}: {words}"] if words else [head]
    if cell_len(texts[0]) > console.width - RELATION_WIDTH:
        # a path has its own line, which is not broken
        texts = [head, *filter(None, (finding.place, finding.evidence))]
    first = _pad(f"  {_(RELATION_WORDS[finding.relation])}", RELATION_WIDTH)
    for text in (*texts, *finding.differences):
        if text.startswith(("+", "-")):  # a line of a diff
            print_line(console, " " * RELATION_WIDTH + text)
        else:
            _print_wrapped(console, first, text, RELATION_COLORS[finding.relation], RELATION_WIDTH)
        first = ""
    if finding.action:
        _print_wrapped(console, "", _("would {action}", action=finding.action), "", RELATION_WIDTH)
    for command in finding.commands:  # in one line each, so that it can be copied
        print_line(console, f"{' ' * RELATION_WIDTH}$ {command}")
    if finding.blocker:
        _print_wrapped(
            console, "", _("refused: {reason}", reason=finding.blocker), "red", RELATION_WIDTH
        )


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _print_wrapped(
    console: Console, first: str, text: str, style: str = "", indent: int = 0
) -> None:
    """Print a text in lines of the terminal's width.

    Args:
        console: Where to print.
        first: What stands before the first line, in the style; empty if the text has the style.
        text: The text.
        style: Style of one of them.
        indent: Characters before each line.
    """
    width = max(console.width, indent + MIN_TEXT_WIDTH)
    for number, line in enumerate(wrap_cells(sanitize.escape_line(text), width - indent)):
        printed = Text(_pad(first if number == 0 else "", indent), style if first else "")
        printed.append(line, "" if first else style)
        console.print(printed, soft_wrap=True)
