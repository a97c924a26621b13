"""How hosts are, from the report of a run that only looked."""

from __future__ import annotations

from typing import Any

from fleet.errors import ExitStatus
from mlufleet.report import host_ranges, table
from mlufleet.report.table import Column, print_line
from mlufleet.report.terminal import describe_cards, host_notes, print_failures


def is_healthy(host: dict[str, Any]) -> bool:
    """Seen, nothing to do, nothing refused."""
    return bool(host["status"] == "ok")


def exit_status(report: dict[str, Any]) -> ExitStatus:
    """2: some host is not healthy; 4: all that are not are unreachable."""
    sick = [host for host in report["hosts"].values() if not is_healthy(host)]
    if report["interrupted"]:
        return ExitStatus.INTERRUPTED
    if not sick:
        return ExitStatus.OK
    unreachable = all(host["status"] == "unreachable" for host in sick)
    return ExitStatus.UNREACHABLE if unreachable else ExitStatus.FAILED


def probe_exit_status(report: dict[str, Any]) -> ExitStatus:
    """The same of a question that only a look at each host answers, whatever the host is like."""
    if report["interrupted"]:
        return ExitStatus.INTERRUPTED
    unseen = {host["status"] for host in report["hosts"].values() if not host["versions"]}
    if not unseen:
        return ExitStatus.OK
    return ExitStatus.UNREACHABLE if unseen == {"unreachable"} else ExitStatus.FAILED


def health_by_host(report: dict[str, Any]) -> dict[str, Any]:
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
    return {
        name: {"healthy": is_healthy(host), **{key: host[key] for key in kept}}
        for name, host in sorted(report["hosts"].items())
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


def print_health(report: dict[str, Any]) -> None:
    """The same as a table, and what hosts would need, stage by stage."""
    on = table.console()
    hosts = host_ranges.sort_hosts(report)
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
        for stage, words in host["drift"].items()
    )
    for line in (
        *host_ranges.group_lines(host_notes(hosts), len(hosts)),
        *host_ranges.group_lines(drift, len(hosts)),
    ):
        print_line(on, line)


def _health_row(host: dict[str, Any]) -> list[str]:
    said = host["versions"]
    health = "healthy" if is_healthy(host) else (host["failure"] or {}).get("code", "drift")
    holder = (host["lock"] or {}).get("operator") or ""
    return [
        health,
        *(str(said.get(key, "")) for key in ("os", "kernel", "driver")),
        describe_cards(host),
        str(said.get("engine", "")),
        holder,
    ]


UNKNOWN_HOLDER = {"operator": "?", "run": "?", "since": "?", "why": "", "lease": 0, "age": 0}


def describe_locks(report: dict[str, Any]) -> list[str]:
    """A line for each host, or for those that are alike: free, or who holds it since when, why."""
    hosts = host_ranges.sort_hosts(report)
    return list(
        host_ranges.group_lines(
            ((name, _describe_lock(host)) for name, host in hosts), len(hosts), len(hosts)
        )
    )


def _describe_lock(host: dict[str, Any]) -> str:
    lock = host["lock"]
    if host["status"] == "unreachable" or not host["versions"]:
        return f"unknown: {host['failure']['sentence'] if host['failure'] else 'not looked at'}"
    if lock is None:
        return "free"
    # a journal of another version may lack some of it
    lock = {**UNKNOWN_HOLDER, **{key: value for key, value in lock.items() if value is not None}}
    life = "alive" if lock["age"] <= lock["lease"] else "dead"
    return (
        f"held by {lock['operator']}, run {lock['run']}, since {lock['since']}, "
        f"last seen {lock['age']} s ago ({life}): {lock['why']}"
    )
