"""How hosts are, from the report of a run that only looked."""

from __future__ import annotations

from typing import Any

from fleet.failures import Exit
from fleet.reports.terminal import boards, degraded


def healthy(host: dict[str, Any]) -> bool:
    """Seen, nothing to do, nothing refused."""
    return bool(host["status"] == "ok")


def exit_status(report: dict[str, Any]) -> Exit:
    """2: some host is not healthy; 4: all that are not are unreachable."""
    sick = [host for host in report["hosts"].values() if not healthy(host)]
    if report["interrupted"]:
        return Exit.INTERRUPTED
    if not sick:
        return Exit.OK
    unreachable = all(host["status"] == "unreachable" for host in sick)
    return Exit.UNREACHABLE if unreachable else Exit.FAILED


def findings(report: dict[str, Any]) -> dict[str, Any]:
    """What `mlufleet doctor --json` prints, a mapping for each host."""
    kept = ("wanted", "seen", "old", "versions", "cards", "models", "drift", "failure", "lock",
            "notes", "validation")  # fmt: skip
    return {
        name: {"healthy": healthy(host), **{key: host[key] for key in kept}}
        for name, host in sorted(report["hosts"].items())
    }


def show(report: dict[str, Any]) -> None:
    """The same as a table, and what each host would need, stage by stage."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table()
    for column in ("host", "health", "os", "kernel", "driver", "cards", "engine", "locked by"):
        table.add_column(column)
    for name, host in sorted(report["hosts"].items()):
        said = host["versions"]
        words = [*(str(said.get(k, "")) for k in ("os", "kernel", "driver")), boards(host),
                 str(said.get("engine", ""))]  # fmt: skip
        state = "[green]healthy[/]" if healthy(host) else (
            f"[red]{host['failure']['code'] if host['failure'] else 'drift'}[/]"
        )  # fmt: skip
        table.add_row(name, state, *words, host["lock"]["operator"] if host["lock"] else "")
    console.print(table)
    for name, host in sorted(report["hosts"].items()):
        if host["failure"]:
            failure = host["failure"]
            console.print(
                f"{name}: {failure['code']}: {failure['sentence']}", markup=False, soft_wrap=True
            )
            console.print(f"  remedy: {failure['remedy']}", markup=False, soft_wrap=True)
        if degraded(host):
            console.print(f"{name}: {degraded(host)}", markup=False, soft_wrap=True)
        for note in host["notes"]:
            console.print(f"{name}: {note}", markup=False, soft_wrap=True)
        for stage, words in host["drift"].items():
            console.print(f"{name}: {stage}: {'; '.join(words)}", markup=False, soft_wrap=True)


def locks(report: dict[str, Any]) -> list[str]:
    """A line for each host: free, or who holds it since when and why."""
    lines = []
    for name, host in sorted(report["hosts"].items()):
        lock = host["lock"]
        if host["status"] == "unreachable" or not host["versions"]:
            lines.append(f"{name}: unknown: {host['failure']['sentence']}")
        elif lock is None:
            lines.append(f"{name}: free")
        else:
            life = "alive" if lock["age"] <= lock["lease"] else "dead"
            lines.append(
                f"{name}: held by {lock['operator']}, run {lock['run']}, since {lock['since']}, "
                f"last seen {lock['age']} s ago ({life}): {lock['why']}"
            )
    return lines
