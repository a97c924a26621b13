"""A run's report on a terminal: of few hosts each, of many what happened to how many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mlufleet.report import host_ranges, last_seen, table
from mlufleet.report.derive import STATUSES
from mlufleet.report.host_ranges import NamedHost
from mlufleet.report.table import Column, print_line
from operations.host.facts import CARD_RUNNING

STATUS_STYLES = {
    "ok": "green",
    "changed": "yellow",
    "failed": "red",
    "unreachable": "red",
    "skipped": "cyan",
    "not started": "cyan",
    "rolled back": "magenta",
}
COLUMNS = (
    Column("host", 36),
    Column("status", 12),
    Column("driver", 16),
    Column("cards", 24, 1),
    Column("stages changed", 30, 3),
    Column("seconds", 11, 2, is_numeric=True),
    Column("answer", 40, 4),
)
#: failures with other words that are told of one code, and codes
SENTENCES, CODES = 3, 12


def describe_degraded(host: dict[str, Any]) -> str:
    """Which cards of a host work, if some do and some do not."""
    cards = host["cards"]
    works = [address for address, state in cards.items() if state == CARD_RUNNING]
    if not works or len(works) == len(cards):
        return ""
    said = ", ".join(f"{address} {state}" for address, state in cards.items())
    return f"degraded, {len(works)} of {len(cards)} cards work: {said}"


def describe_cards(host: dict[str, Any]) -> str:
    """How many cards a host has, and of which models, as far as they are known."""
    models = ", ".join(dict.fromkeys(host["models"].values()))
    return f"{host['versions'].get('cards', '')} {models}".strip()


def print_summary(report: dict[str, Any], folder: Path, *, err: bool = True) -> None:
    """What became of the hosts, what failed and what to do.

    :param err: on standard error; else on standard output
    """
    on = table.console(err=err)
    hosts = host_ranges.sort_hosts(report)
    table.print_table(
        on,
        f"run {report['run']}",
        COLUMNS,
        [_row(name, host) for name, host in hosts],
        lambda status: STATUS_STYLES.get(status, ""),
        status_rank,
    )
    print_failures(on, hosts)
    _print_notes(on, hosts)
    total = len(hosts)
    same = sum(host["status"] == "ok" for _, host in hosts)
    if swarmed := sum(host.get("swarmed", 0) for _, host in hosts):
        sent = report["seeded"] + sum(host["sent"] for _, host in hosts)
        print_line(
            on, f"{swarmed / 1e6:,.0f} MB came by swarms; {sent / 1e6:,.0f} MB left this machine"
        )
    if any(host["stages"] for _, host in hosts):
        # models of pydantic's are made when they are imported: not for a run that did nothing
        from mlufleet.report import time_shares
        from mlufleet.report.model import parse_report

        for line in time_shares.summary_lines(parse_report(report)):
            print_line(on, line)
    print_line(on, f"{same} of {total} hosts needed no change; report: {folder}/report.json")


def status_rank(status: str) -> int:
    """What needs somebody comes first."""
    return STATUSES.index(status) if status in STATUSES else 0


def _row(name: str, host: dict[str, Any]) -> list[str]:
    changed = [stage["stage"] for stage in host["stages"] if stage["changes"]]
    seconds = sum(stage["seconds"] for stage in host["stages"])
    return [
        name,
        host["status"],
        str(host["versions"].get("driver", "")),
        describe_cards(host),
        " ".join(changed) or "-",
        f"{seconds:.0f}",
        host["answer"] or "",
    ]


def print_failures(on: Console, hosts: Sequence[NamedHost]) -> None:
    """Why hosts failed and what to do: of many, by code and by what was said."""
    failed = [(name, host["failure"]) for name, host in hosts if host["failure"]]
    if len(hosts) <= host_ranges.MAX_LISTED_HOSTS:
        for name, failure in failed:
            _print_failure(on, name, failure)
            print_line(on, f"  remedy: {failure['remedy']}")
        return
    said = {name: failure for name, failure in failed}
    by_code = host_ranges.group_hosts((n, (f["code"], f["remedy"])) for n, f in failed)
    codes = sorted(by_code.items(), key=lambda one: -len(one[1]))
    for (code, remedy), members in codes[:CODES]:
        alike = host_ranges.group_hosts((name, said[name]["sentence"]) for name in members)
        groups = sorted(alike.values(), key=lambda group: -len(group))
        for group in groups[:SENTENCES]:
            _print_failure(on, host_ranges.format_hosts(group), said[group[0]])
        if rest := [name for group in groups[SENTENCES:] for name in group]:
            print_line(
                on,
                f"{host_ranges.format_hosts(rest)}: {code} in "
                f"{len(groups) - SENTENCES} other words",
                "red",
            )
        print_line(on, f"  remedy: {remedy}")
    if left := codes[CODES:]:
        more = sum(len(members) for _, members in left)
        print_line(on, f"… and {len(left)} more codes of {more} hosts")


def _print_failure(on: Console, who: str, failure: dict[str, Any]) -> None:
    print_line(on, f"{who}: {failure['code']}: {failure['sentence']}", "red")
    for line in failure["tail"]:
        print_line(on, f"    {line}")


def _print_notes(on: Console, hosts: Sequence[NamedHost]) -> None:
    for line in host_ranges.group_lines(_rollback_lines(hosts), len(hosts)):
        print_line(on, line, "magenta")
    for line in host_ranges.group_lines(host_notes(hosts), len(hosts)):
        print_line(on, line)


def _rollback_lines(hosts: Iterable[NamedHost]) -> Iterator[tuple[str, str]]:
    for name, host in hosts:
        if back := host["rolled_back"]:
            end = f"went back to {back['to']}" if back["to"] else "did not come back"
            yield name, f"from {back['from'] or 'its release'} it {end}"


def host_notes(hosts: Iterable[NamedHost]) -> Iterator[tuple[str, str]]:
    """What is no failure and yet somebody should read."""
    for name, host in hosts:
        for line in (last_seen.stale_note_for(host), describe_degraded(host), *host["notes"]):
            if line:
                yield name, line
