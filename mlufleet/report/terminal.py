"""The report on a terminal: a line a host, and what failed in full; of many hosts, those alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console

from fleet.language import _, n_
from fleet.text import word_lists
from fleet.vendor.cnmon import CARD_RUNNING
from mlufleet.journal.events import EndpointRecord, FailureRecord
from mlufleet.report import host_ranges, outcomes, time_shares
from mlufleet.report.compact_table import print_compact
from mlufleet.report.console import make_console, print_line, print_text
from mlufleet.report.model import HostReport, Report
from mlufleet.report.outcomes import NamedHosts
from mlufleet.report.serving import serving_lines
from mlufleet.report.statuses import status_color
from mlufleet.report.wide_output import is_output_wide

#: of many hosts, as many different sentences are shown for a failure code
MAX_SENTENCES_PER_CODE = 3
#: of many hosts, as many failure codes are shown
MAX_CODES = 12
#: as many unproved points of a release are shown
MAX_UNPROVED_POINTS = 4
#: notes of a whole run that are shown, unless all are asked for
MAX_NOTES = 5


def print_summary(report: Report, folder: Path, *, err: bool = True) -> None:
    """Print what became of the hosts, what failed, and what to do about it.

    Args:
        report: Report of the run.
        folder: Folder of the run.
        err: Print to standard error, else to standard output.
    """
    console, is_wide = make_console(err=err), is_output_wide()
    hosts = report.sorted_hosts()
    print_line(console, _("run {run}", run=report.run))
    rows = outcomes.list_rows(hosts, is_listed=is_wide)
    is_whole = print_compact(console, outcomes.COLUMNS, rows, status_color, is_wide=is_wide)
    print_failures(console, hosts, is_listed=is_wide)
    for line in serving_lines(report):
        print_line(console, line, "red")
    if is_wide:
        _print_all_notes(console, report, hosts)
    else:
        is_whole = _print_notes(console, report, hosts) and is_whole
    count, total = sum(host.status == "ok" for _name, host in hosts), len(hosts)
    print_line(console, _("{count} of {total} hosts needed no change", count=count, total=total))
    print_line(console, _("report: {path}", path=f"{folder}/report.json"))
    if not (is_wide or is_whole):
        command = f"mlufleet run report {report.run} --wide"
        print_line(console, _("all columns and notes: `{command}`", command=command))


def _print_all_notes(console: Console, report: Report, hosts: NamedHosts) -> None:
    for name, text in _rollback_lines(hosts):
        print_text(console, f"{name}: {text}", "magenta")
    for pairs in (left_items(hosts), host_notes(hosts), endpoint_lines(hosts)):
        for name, text in pairs:
            print_text(console, f"{name}: {text}")
    for line in (
        *unproved_lines(report),
        *_transfer_lines(report),
        *time_shares.summary_lines(report),
    ):
        print_text(console, line)


def _print_notes(console: Console, report: Report, hosts: NamedHosts) -> bool:
    """Print what matters most of all hosts in a few lines; return whether that was all."""
    notes = [*host_ranges.share_lines(_list_notes(hosts)), *unproved_lines(report)]
    for line in notes[:MAX_NOTES]:
        print_text(console, line)
    if more := notes[MAX_NOTES:]:
        print_text(console, n_("… and {count} more note", "… and {count} more notes", len(more)))
    endpoints = [one for _name, host in hosts for one in host.endpoints]
    if endpoints:
        ready = sum(one.is_ready for one in endpoints)
        print_text(
            console, _("endpoints: {ready} of {total} ready", ready=ready, total=len(endpoints))
        )
    for line in _transfer_lines(report):
        print_text(console, line)
    print_text(console, time_shares.describe_shares(report, console.width))
    return not (more or endpoints or any(time_shares.summary_lines(report)))


def _list_notes(hosts: NamedHosts) -> Iterator[tuple[str, str]]:
    """Return what the operator should know, the most urgent first, as host and text."""
    yield from _rollback_lines(hosts)
    for name, host in hosts:
        for one in host.endpoints:
            if one.problem:
                yield name, _describe_endpoint(one)
    for name, host in hosts:
        if line := describe_degraded(host, is_short=True):
            yield name, line
    for name, host in hosts:
        yield from ((name, note) for note in host.notes)
    yield from left_items(hosts)
    yield from ((name, host.stale_note) for name, host in hosts if host.stale_note)


def _transfer_lines(report: Report) -> Iterator[str]:
    hosts = report.hosts.values()
    if swarmed := sum(host.swarmed for host in hosts):
        sent = report.seeded + sum(host.sent for host in hosts)
        yield _(
            "{swarmed} MB came from swarms; this machine sent {sent} MB",
            swarmed=f"{swarmed / 1e6:,.0f}",
            sent=f"{sent / 1e6:,.0f}",
        )
    if reused := sum(host.reused for host in hosts):
        yield _("{size} MB lay on hosts already and were not sent", size=f"{reused / 1e6:,.0f}")


def unproved_lines(report: Report) -> Iterator[str]:
    """Return what was not proved of the run's releases, at most a few points of each.

    Args:
        report: Report of the run.
    """
    for release, points in sorted(report.unproved.items()):
        for point in points[:MAX_UNPROVED_POINTS]:
            yield _("{release}: unproved {point}", release=release, point=point)
        others = len(points) - MAX_UNPROVED_POINTS
        if others > 0:
            yield _(
                "{release}: … and {count} more unproved points in the report",
                release=release,
                count=others,
            )


def print_failures(console: Console, hosts: NamedHosts, *, is_listed: bool = False) -> None:
    """Print why hosts failed and what to do; of many hosts, by code and sentence.

    Args:
        console: Where to print.
        hosts: Names and reports of all hosts.
        is_listed: Print each failure, also of many hosts.
    """
    failed = {name: host.failure for name, host in hosts if host.failure}
    if is_listed or len(hosts) <= host_ranges.MAX_LISTED_HOSTS:
        alike = host_ranges.group_hosts(
            (
                name,
                (failure.code, failure.sentence, failure.remedy, *failure.tail, name * is_listed),
            )
            for name, failure in failed.items()
        )
        for names in alike.values():
            _print_failure(console, host_ranges.format_hosts(names), failed[names[0]])
            _print_remedy(console, failed[names[0]].remedy)
        return
    by_code = host_ranges.group_hosts(
        (name, (failure.code, failure.remedy)) for name, failure in failed.items()
    )
    codes = sorted(by_code.items(), key=lambda item: -len(item[1]))
    for (code, remedy), names in codes[:MAX_CODES]:
        _print_code(console, code, {name: failed[name] for name in names})
        _print_remedy(console, remedy)
    if others := codes[MAX_CODES:]:
        count = sum(len(names) for _codes, names in others)
        print_text(
            console, _("… and {codes} more codes of {count} hosts", codes=len(others), count=count)
        )


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
        line = _(
            "{hosts}: {code} with {count} other messages", hosts=names, code=code, count=len(others)
        )
        print_text(console, line, "red")


def _print_failure(console: Console, hosts: str, failure: FailureRecord) -> None:
    print_text(console, f"{hosts}: {failure.code}: {failure.sentence}", "red")
    for line in failure.tail:
        print_text(console, f"    {line}", later=" " * 6)


def _print_remedy(console: Console, remedy: str) -> None:
    print_line(console, _("  remedy: {remedy}", remedy=remedy))


def _rollback_lines(hosts: NamedHosts) -> Iterator[tuple[str, str]]:
    for name, host in hosts:
        if back := host.rolled_back:
            yield name, _describe_rollback(back.get("from", ""), back.get("to", ""))


def _describe_rollback(origin: str, target: str) -> str:
    if target and origin:
        return _("rolled back to {release} from {origin}", release=target, origin=origin)
    if target:
        return _("rolled back to {release}", release=target)
    if origin:
        return _("could not be rolled back from {origin}", origin=origin)
    return _("could not be rolled back")


def describe_degraded(host: HostReport, *, is_short: bool = False) -> str:
    """Return which cards work, if some of a host's cards do and others do not; else empty.

    Args:
        host: Report of the host.
        is_short: Name only the cards that do not work.
    """
    working = [address for address, state in host.cards.items() if state == CARD_RUNNING]
    if not working or len(working) == len(host.cards):
        return ""
    named = host.unhealthy_cards if is_short else host.cards
    return _(
        "degraded, {working} of {total} cards work: {states}",
        working=len(working),
        total=len(host.cards),
        states=word_lists.join_words(f"{address} {state}" for address, state in named.items()),
    )


def left_items(hosts: Iterable[tuple[str, HostReport]]) -> Iterator[tuple[str, str]]:
    """Return what stays on hosts that are retired, as host and text.

    Args:
        hosts: Names and reports of the hosts.
    """
    for name, host in hosts:
        for item in host.left:
            stays = _("stays: {what}: {reason}", what=item.what, reason=item.why)
            yield name, f"{stays} ({item.remedy})" if item.remedy else stays


def endpoint_lines(hosts: NamedHosts) -> Iterator[tuple[str, str]]:
    """Return the endpoints as host and text; of many hosts, those that are not ready.

    Args:
        hosts: Names and reports of all hosts.
    """
    is_large = len(hosts) > host_ranges.MAX_LISTED_HOSTS
    for name, host in hosts:
        for one in host.endpoints:
            if one.problem or not is_large:
                yield name, _describe_endpoint(one)


def _describe_endpoint(one: EndpointRecord) -> str:
    state = one.problem or f"{_(one.state)}, {one.proof}"
    return _(
        "endpoint {endpoint} at {address}: {state}",
        endpoint=one.label,
        address=one.address,
        state=state,
    )


def host_notes(hosts: Iterable[tuple[str, HostReport]]) -> Iterator[tuple[str, str]]:
    """Return what the operator should know although it is not a failure, as host and text.

    Args:
        hosts: Names and reports of the hosts.
    """
    for name, host in hosts:
        for line in (host.stale_note, describe_degraded(host), *host.notes):
            if line:
                yield name, line
