"""Health and locks of hosts, from the report of a dry run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fleet.errors import ExitStatus
from fleet.language import N_, _, english
from mlufleet.report import host_ranges
from mlufleet.report.compact_table import (
    CompactColumn,
    CompactRow,
    print_compact,
    print_hint_of_columns,
)
from mlufleet.report.console import make_console, print_text
from mlufleet.report.model import HostReport, Report
from mlufleet.report.outcomes import NamedHosts, describe_cards, join_values, name_hosts
from mlufleet.report.terminal import host_notes, print_failures
from mlufleet.report.wide_output import is_output_wide

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

HEALTHY = N_("healthy")
HEALTH_COLUMNS = (
    CompactColumn(N_("host")),
    CompactColumn(N_("health")),
    CompactColumn(N_("driver"), 1),
    CompactColumn(N_("cards"), 2),
    CompactColumn(N_("os"), 4),
    CompactColumn(N_("kernel"), 3),
    CompactColumn(N_("engine"), 5),
    CompactColumn(N_("locked by"), 6),
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
    """Print a line for each host, or for those that are alike; then failures, notes and drift.

    Args:
        report: The report of a dry run.
    """
    console, is_wide = make_console(), is_output_wide()
    hosts = report.sorted_hosts()
    is_whole = print_compact(
        console,
        HEALTH_COLUMNS,
        _list_health_rows(hosts, is_listed=is_wide),
        lambda health: "green" if health == HEALTHY else "red",
        is_wide=is_wide,
    )
    print_failures(console, hosts, is_listed=is_wide)
    drift = (
        (name, f"{stage}: {'; '.join(words)}")
        for name, host in hosts
        for stage, words in host.drift.items()
    )
    fleet_size = 0 if is_wide else len(hosts)
    for pairs in (host_notes(hosts), drift):
        for line in host_ranges.group_lines(pairs, fleet_size):
            print_text(console, line)
    if not is_whole:
        print_hint_of_columns(console)


def _list_health_rows(hosts: NamedHosts, *, is_listed: bool) -> list[CompactRow]:
    """Return a row for each host, of many hosts for those of one health; failed ones first."""
    groups: dict[str, list[tuple[str, HostReport]]] = {}
    is_each = is_listed or len(hosts) <= host_ranges.MAX_LISTED_HOSTS
    for name, host in hosts:
        key = name if is_each else english(_describe_health(host))
        groups.setdefault(key, []).append((name, host))
    ordered = sorted(groups.values(), key=lambda members: _rank_health(members[0][1]))
    return [_health_row(members) for members in ordered]


def _health_row(members: NamedHosts) -> CompactRow:
    hosts = [host for _name, host in members]
    names = [name for name, _host in members]
    return [
        list(name_hosts(names)) if len(names) > 1 else names,
        [_describe_health(hosts[0])],
        join_values(str(host.versions.get("driver", "")) for host in hosts),
        join_values(map(describe_cards, hosts)),
        *(
            join_values(str(host.versions.get(key, "")) for host in hosts)
            for key in ("os", "kernel", "engine")
        ),
        join_values(host.lock.operator if host.lock else "" for host in hosts),
    ]


def _rank_health(host: HostReport) -> int:
    return 0 if host.failure else 1 + is_healthy(host)


def _describe_health(host: HostReport) -> str:
    if is_healthy(host):
        return _(HEALTHY)
    return host.failure.code if host.failure else _("drift")


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
