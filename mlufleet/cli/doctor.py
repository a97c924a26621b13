"""The health of hosts, from the report of a run that only probed them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fleet.errors import ExitStatus
from mlufleet.report import host_ranges, table
from mlufleet.report.model import HostReport, Report
from mlufleet.report.table import Column, print_line
from mlufleet.report.terminal import describe_cards, host_notes, print_failures


def is_healthy(host: HostReport) -> bool:
    """Seen, nothing to do, nothing refused."""
    return host.status == "ok"


def exit_status(report: Report) -> ExitStatus:
    """2: some host is not healthy; 4: all that are not are unreachable."""
    sick = [host for host in report.hosts.values() if not is_healthy(host)]
    if report.interrupted:
        return ExitStatus.INTERRUPTED
    if not sick:
        return ExitStatus.OK
    unreachable = all(host.status == "unreachable" for host in sick)
    return ExitStatus.UNREACHABLE if unreachable else ExitStatus.FAILED


def probe_exit_status(report: Report) -> ExitStatus:
    """The same of a question that only a look at each host answers, whatever the host is like."""
    if report.interrupted:
        return ExitStatus.INTERRUPTED
    unseen = {host.status for host in report.hosts.values() if not host.versions}
    if not unseen:
        return ExitStatus.OK
    return ExitStatus.UNREACHABLE if unseen == {"unreachable"} else ExitStatus.FAILED


def health_by_host(report: Report) -> dict[str, Any]:
    """What `mlufleet doctor --json` prints, a mapping for each host."""
    kept = (
        "wanted",
        "seen",
        "old",
        "versions",
        "cards",
        "models",
        "drift",
        "failure",
        "lock",
        "notes",
        "validation",
    )
    fields = {name: asdict(host) for name, host in sorted(report.hosts.items())}
    return {
        name: {"healthy": is_healthy(report.hosts[name]), **{key: host[key] for key in kept}}
        for name, host in fields.items()
    }


HEALTH_COLUMNS = (
    Column("host", 36),
    Column("health", 20),
    Column("os", 20, 3),
    Column("kernel", 30, 2),
    Column("driver", 16),
    Column("cards", 24, 1),
    Column("engine", 12, 4),
    Column("locked by", 30, 5),
)


def print_health(report: Report) -> None:
    """The same as a table, and what hosts would need, stage by stage."""
    on = table.make_console()
    hosts = report.sorted_hosts()
    table.print_table(
        on,
        "",
        HEALTH_COLUMNS,
        [[name, *_health_row(host)] for name, host in hosts],
        lambda health: "green" if health == "healthy" else "red",
        lambda health: int(health == "healthy"),
    )
    print_failures(on, hosts)
    drift = (
        (name, f"{stage}: {'; '.join(words)}")
        for name, host in hosts
        for stage, words in host.drift.items()
    )
    for line in (
        *host_ranges.group_lines(host_notes(hosts), len(hosts)),
        *host_ranges.group_lines(drift, len(hosts)),
    ):
        print_line(on, line)


def _health_row(host: HostReport) -> list[str]:
    versions = host.versions
    failed = host.failure.code if host.failure else "drift"
    return [
        "healthy" if is_healthy(host) else failed,
        *(str(versions.get(key, "")) for key in ("os", "kernel", "driver")),
        describe_cards(host),
        str(versions.get("engine", "")),
        host.lock.operator if host.lock else "",
    ]


def describe_locks(report: Report) -> list[str]:
    """A line for each host, or for those that are alike: free, or who holds it since when, why."""
    hosts = report.sorted_hosts()
    return list(
        host_ranges.group_lines(
            ((name, _describe_lock(host)) for name, host in hosts), len(hosts), len(hosts)
        )
    )


def _describe_lock(host: HostReport) -> str:
    lock = host.lock
    if host.status == "unreachable" or not host.versions:
        return f"unknown: {host.failure.sentence if host.failure else 'not probed'}"
    if lock is None:
        return "free"
    life = "alive" if lock.age <= lock.lease else "dead"
    return (
        f"held by {lock.operator or '?'}, run {lock.run or '?'}, since {lock.since or '?'}, "
        f"last seen {lock.age} s ago ({life}): {lock.why}"
    )
