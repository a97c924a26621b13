"""The report on a terminal: each of a few hosts; of many hosts, how many are alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from fleet.vendor.cnmon import CARD_RUNNING
from mlufleet.journal.events import FailureRecord
from mlufleet.report import host_ranges, table, time_shares
from mlufleet.report.model import HostReport, Report
from mlufleet.report.serving import serving_lines
from mlufleet.report.statuses import status_color, status_rank
from mlufleet.report.table import Column, print_line

#: columns of the summary
SUMMARY_COLUMNS = (
    Column("host", 36),
    Column("status", 12),
    Column("driver", 16),
    Column("cards", 24, 1),
    Column("stages changed", 30, 3),
    Column("seconds", 11, 2, is_numeric=True),
    Column("answer", 40, 4),
)
#: of many hosts, as many different sentences are shown for a failure code
MAX_SENTENCES_PER_CODE = 3
#: of many hosts, as many failure codes are shown
MAX_CODES = 12
#: as many unproved points of a release are shown
MAX_UNPROVED_POINTS = 4

NamedHosts = Sequence[tuple[str, HostReport]]


def describe_degraded(host: HostReport) -> str:
    """Return which cards work, if some of a host's cards do and others do not; else empty.

    Args:
        host: Report of the host.
    """
    working = [address for address, state in host.cards.items() if state == CARD_RUNNING]
    if not working or len(working) == len(host.cards):
        return ""
    states = ", ".join(f"{address} {state}" for address, state in host.cards.items())
    return f"degraded, {len(working)} of {len(host.cards)} cards work: {states}"


def describe_cards(host: HostReport) -> str:
    """Return the number of cards and their models, as far as they are known.

    Args:
        host: Report of the host.
    """
    models = ", ".join(dict.fromkeys(host.models.values()))
    return f"{host.versions.get('cards', '')} {models}".strip()


def print_summary(report: Report, folder: Path, *, err: bool = True) -> None:
    """Print what became of the hosts, what failed, and what to do about it.

    Args:
        report: Report of the run.
        folder: Folder of the run.
        err: Print to standard error, else to standard output.
    """
    console = table.make_console(err=err)
    hosts = report.sorted_hosts()
    rows = [_summary_row(name, host) for name, host in hosts]
    title = f"run {report.run}"
    table.print_table(console, title, SUMMARY_COLUMNS, rows, status_color, status_rank)
    print_failures(console, hosts)
    for line in serving_lines(report):
        print_line(console, line, "red")
    for line in host_ranges.group_lines(_rollback_lines(hosts), len(hosts)):
        print_line(console, line, "magenta")
    for pairs in (left_items(hosts), host_notes(hosts), endpoint_lines(hosts)):
        for line in host_ranges.group_lines(pairs, len(hosts)):
            print_line(console, line)
    for line in unproved_lines(report):
        print_line(console, line)
    if swarmed := sum(host.swarmed for _, host in hosts):
        sent = report.seeded + sum(host.sent for _, host in hosts)
        print_line(
            console,
            f"{swarmed / 1e6:,.0f} MB came from swarms; this machine sent {sent / 1e6:,.0f} MB",
        )
    if reused := sum(host.reused for _, host in hosts):
        print_line(console, f"{reused / 1e6:,.0f} MB lay on hosts already and were not sent")
    for line in time_shares.summary_lines(report):
        print_line(console, line)
    unchanged = sum(host.status == "ok" for _, host in hosts)
    print_line(
        console,
        f"{unchanged} of {len(hosts)} hosts needed no change; report: {folder}/report.json",
    )


def unproved_lines(report: Report) -> Iterator[str]:
    """Return what was not proved of the run's releases, at most a few points of each.

    Args:
        report: Report of the run.
    """
    for release, points in sorted(report.unproved.items()):
        for point in points[:MAX_UNPROVED_POINTS]:
            yield f"{release}: unproved {point}"
        others = len(points) - MAX_UNPROVED_POINTS
        if others > 0:
            yield f"{release}: … and {others} more unproved points in the report"


def _summary_row(name: str, host: HostReport) -> list[str]:
    changed = [stage.stage for stage in host.stages if stage.changes]
    return [
        name,
        host.status,
        str(host.versions.get("driver", "")),
        describe_cards(host),
        " ".join(changed) or "-",
        f"{host.work_s:.0f}",
        host.answer or "",
    ]


def print_failures(console: Console, hosts: NamedHosts) -> None:
    """Print why hosts failed and what to do; of many hosts, by code and sentence.

    Args:
        console: Where to print.
        hosts: Names and reports of all hosts.
    """
    failed = {name: host.failure for name, host in hosts if host.failure}
    if len(hosts) <= host_ranges.MAX_LISTED_HOSTS:
        for name, failure in failed.items():
            _print_failure(console, name, failure)
            print_line(console, f"  remedy: {failure.remedy}")
        return
    by_code = host_ranges.group_hosts(
        (name, (failure.code, failure.remedy)) for name, failure in failed.items()
    )
    codes = sorted(by_code.items(), key=lambda item: -len(item[1]))
    for (code, remedy), names in codes[:MAX_CODES]:
        _print_code(console, code, {name: failed[name] for name in names})
        print_line(console, f"  remedy: {remedy}")
    if others := codes[MAX_CODES:]:
        count = sum(len(names) for _, names in others)
        print_line(console, f"… and {len(others)} more codes of {count} hosts")


def _print_code(console: Console, code: str, failures: dict[str, FailureRecord]) -> None:
    """Print the most frequent failures of one code, and count the others."""
    by_sentence = host_ranges.group_hosts(
        (name, failure.sentence) for name, failure in failures.items()
    )
    groups = sorted(by_sentence.values(), key=lambda group: -len(group))
    for group in groups[:MAX_SENTENCES_PER_CODE]:
        _print_failure(console, host_ranges.format_hosts(group), failures[group[0]])
    if others := groups[MAX_SENTENCES_PER_CODE:]:
        names = host_ranges.format_hosts([name for group in others for name in group])
        print_line(console, f"{names}: {code} with {len(others)} other messages", "red")


def _print_failure(console: Console, hosts: str, failure: FailureRecord) -> None:
    print_line(console, f"{hosts}: {failure.code}: {failure.sentence}", "red")
    for line in failure.tail:
        print_line(console, f"    {line}")


def _rollback_lines(hosts: NamedHosts) -> Iterator[tuple[str, str]]:
    for name, host in hosts:
        if back := host.rolled_back:
            origin, target = back.get("from"), back.get("to")
            result = f"rolled back to {target}" if target else "could not be rolled back"
            yield name, f"{result} from {origin}" if origin else result


def left_items(hosts: Iterable[tuple[str, HostReport]]) -> Iterator[tuple[str, str]]:
    """Return what stays on hosts that are retired, as host and text.

    Args:
        hosts: Names and reports of the hosts.
    """
    for name, host in hosts:
        for item in host.left:
            remedy = f" ({item.remedy})" if item.remedy else ""
            yield name, f"stays: {item.what}: {item.why}{remedy}"


def endpoint_lines(hosts: NamedHosts) -> Iterator[tuple[str, str]]:
    """Return the endpoints as host and text; of many hosts, those that are not ready.

    Args:
        hosts: Names and reports of all hosts.
    """
    is_large = len(hosts) > host_ranges.MAX_LISTED_HOSTS
    for name, host in hosts:
        for one in host.endpoints:
            if one.problem or not is_large:
                state = one.problem or f"{one.state}, {one.proof}"
                yield name, f"endpoint {one.label} at {one.address}: {state}"


def host_notes(hosts: Iterable[tuple[str, HostReport]]) -> Iterator[tuple[str, str]]:
    """Return what the operator should know although it is not a failure, as host and text.

    Args:
        hosts: Names and reports of the hosts.
    """
    for name, host in hosts:
        for line in (host.stale_note, describe_degraded(host), *host.notes):
            if line:
                yield name, line
