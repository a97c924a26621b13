"""Health and locks of hosts, from the report of a dry run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fleet.errors import ExitStatus
from fleet.language import N_, _
from mlufleet.report import host_ranges, table
from mlufleet.report.model import HostReport, Report
from mlufleet.report.outcomes import describe_cards
from mlufleet.report.table import Column, print_line
from mlufleet.report.terminal import host_notes, print_failures

#: Keys of a host's report that `mlufleet doctor --json` prints.
HEALTH_KEYS = (
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
    "quarantine",
    "validation",
)

HEALTH_COLUMNS = (
    Column(N_("host"), 36),
    Column(N_("health"), 20),
    Column(N_("os"), 20, 3),
    Column(N_("kernel"), 30, 2),
    Column(N_("driver"), 16),
    Column(N_("cards"), 24, 1),
    Column(N_("engine"), 12, 4),
    Column(N_("locked by"), 30, 5),
)


def is_healthy(host: HostReport) -> bool:
    """Return whether a host was probed and is in the desired state.

    Args:
        host: The host's part of a report.
    """
    return host.status == "ok"


def exit_status(report: Report) -> ExitStatus:
    """Return the exit status of `mlufleet doctor`.

    Args:
        report: The report of a dry run.

    Returns:
        OK if every host is healthy, UNREACHABLE if every unhealthy host is unreachable, else
        FAILED.
    """
    unhealthy = [host for host in report.hosts.values() if not is_healthy(host)]
    if report.interrupted:
        return ExitStatus.INTERRUPTED
    if not unhealthy:
        return ExitStatus.OK
    unreachable = all(host.status == "unreachable" for host in unhealthy)
    return ExitStatus.UNREACHABLE if unreachable else ExitStatus.FAILED


def probe_exit_status(report: Report) -> ExitStatus:
    """Return the exit status of a command that needs every host's probe, healthy or not.

    Args:
        report: The report of a dry run.

    Returns:
        OK if every host was probed, UNREACHABLE if all the others are unreachable, else FAILED.
    """
    if report.interrupted:
        return ExitStatus.INTERRUPTED
    statuses = {host.status for host in report.hosts.values() if not host.versions}
    if not statuses:
        return ExitStatus.OK
    return ExitStatus.UNREACHABLE if statuses == {"unreachable"} else ExitStatus.FAILED


def health_by_host(report: Report) -> dict[str, Any]:
    """Return what `mlufleet doctor --json` prints: host name to health and the last probe's facts.

    Args:
        report: The report of a dry run.
    """
    found = {}
    for name, host in sorted(report.hosts.items()):
        fields = asdict(host)
        found[name] = {"healthy": is_healthy(host), **{key: fields[key] for key in HEALTH_KEYS}}
    return found


def print_health(report: Report) -> None:
    """Print the health of every host as a table, then failures, notes and drift by stage.

    Args:
        report: The report of a dry run.
    """
    console = table.make_console()
    hosts = report.sorted_hosts()
    table.print_table(
        console,
        "",
        HEALTH_COLUMNS,
        [[name, *_health_row(host)] for name, host in hosts],
        lambda health: "green" if health == "healthy" else "red",
        lambda health: int(health == "healthy"),
    )
    print_failures(console, hosts)
    drift = (
        (name, f"{stage}: {'; '.join(words)}")
        for name, host in hosts
        for stage, words in host.drift.items()
    )
    for line in (
        *host_ranges.group_lines(host_notes(hosts), len(hosts)),
        *host_ranges.group_lines(drift, len(hosts)),
    ):
        print_line(console, line)


def _health_row(host: HostReport) -> list[str]:
    versions = host.versions
    unhealthy = host.failure.code if host.failure else _("drift")
    return [
        _("healthy") if is_healthy(host) else unhealthy,
        *(str(versions.get(key, "")) for key in ("os", "kernel", "driver")),
        describe_cards(host),
        str(versions.get("engine", "")),
        host.lock.operator if host.lock else "",
    ]


def describe_locks(report: Report) -> list[str]:
    """Describe the lock of each host: free, or which run holds it, since when and why.

    Args:
        report: The report of a dry run.

    Returns:
        A line for each host; in a large fleet, for each group of hosts with the same state.
    """
    hosts = report.sorted_hosts()
    lines = ((name, _describe_lock(host)) for name, host in hosts)
    return list(host_ranges.group_lines(lines, len(hosts), len(hosts)))


def _describe_lock(host: HostReport) -> str:
    lock = host.lock
    if host.status == "unreachable" or not host.versions:
        why = host.failure.sentence if host.failure else _("not probed")
        return _("unknown: {reason}", reason=why)
    if lock is None:
        return _("free")
    life = _("alive") if lock.age <= lock.lease else _("dead")
    return _(
        "held by {operator}, run {run}, since {since}, last heartbeat {seconds} s ago "
        "({life}): {reason}",
        operator=lock.operator or "?",
        run=lock.run or "?",
        since=lock.since or "?",
        seconds=lock.age,
        life=life,
        reason=lock.why,
    )
