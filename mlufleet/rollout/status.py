"""How far a run is, from its journal: while it runs, after it, and of one that was killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fleet.errors import InvalidInput
from fleet.text import suggestions
from mlufleet.journal import journal
from mlufleet.report import derive, host_ranges
from mlufleet.report.last_seen import format_utc


def find_run_folder(run: str) -> Path:
    """The folder of a run by its name; "latest" is the one that began last, ended or not.

    :raises InvalidInput: there is none
    """
    if run == "latest":
        journals = journal.RUNS.glob("2*/journal.jsonl")
        newest = max(journals, key=lambda path: path.parent.name, default=None)
        if newest is None:
            raise InvalidInput(f"{journal.RUNS}: no run yet")
        return newest.parent
    folder = journal.RUNS / run
    if "/" in run or not (folder / "journal.jsonl").is_file():
        runs = (path.parent.name for path in journal.RUNS.glob("2*/journal.jsonl"))
        near = suggestions.format_suggestions(run, ("latest", *sorted(runs, reverse=True)))
        raise InvalidInput(f"{folder}: no such run{near}")
    return folder


def _load_report(folder: Path, limit: tuple[str, ...]) -> dict[str, Any]:
    """A run's report, of some of its hosts.

    :raises InvalidInput: the run has none of these
    """
    found: dict[str, Any] = derive.derive_from_journal(folder)
    if limit:
        from fleet.inventory.host_selection import (
            InventoryNames,  # only here: pyinfra is slow to import
        )

        hosts, groups = found["hosts"], dict[str, list[str]]()
        for name, host in hosts.items():
            for group in host["groups"]:
                groups.setdefault(group, []).append(name)
        chosen = InventoryNames(hosts, groups).select_hosts(limit)
        found["hosts"] = {name: host for name, host in hosts.items() if name in chosen}
    return found


def status_lines(run: str, limit: tuple[str, ...] = ()) -> Iterator[str]:
    """The run in a line, then every host; of many hosts, how many are alike."""
    folder = find_run_folder(run)
    alive = journal.is_running(folder)
    found = _load_report(folder, limit)
    counts = Counter(
        "at work" if alive and host["now"] else host["status"] for host in found["hosts"].values()
    )
    how = "at work" if alive else "ended" if found["ended"] else "killed"
    stopped = (found["rollout"] or {}).get("stopped")
    said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    yield (
        f"{found['kind']} {folder.name}: {how}{f' (stopped: {stopped})' if stopped else ''}; "
        f"{len(found['hosts'])} hosts: {said}"
    )
    yield from host_ranges.group_lines(_host_states(found, alive), len(found["hosts"]))


def _host_states(found: dict[str, Any], alive: bool) -> Iterator[tuple[str, str]]:
    for name, host in host_ranges.sort_hosts(found):
        if host["now"]:
            yield (
                name,
                f"at {host['now']}" if alive else f"was at {host['now']}{_format_last_seen(host)}",
            )
        else:
            failure = host["failure"]
            why = f": {failure['code']}: {failure['sentence']}" if failure else ""
            yield name, f"{host['status']}{why}{_format_last_seen(host) if host['old'] else ''}"


def _format_last_seen(host: dict[str, Any]) -> str:
    return "" if host["seen"] is None else f", last seen {format_utc(host['seen'])}"


def drift_lines(run: str, limit: tuple[str, ...] = ()) -> Iterator[str]:
    """What was to do on each host, stage by stage; of many hosts, what was to do on which."""
    found = _load_report(find_run_folder(run), limit)
    yield from host_ranges.group_lines(
        _pending_changes(found), len(found["hosts"]), 5 * host_ranges.MAX_LINES
    )


def _pending_changes(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, host in host_ranges.sort_hosts(found):
        if not host["drift"]:
            yield name, "none" if host["versions"] else "not looked at"
        for stage, words in host["drift"].items():
            yield name, f"{stage}: {'; '.join(words)}"
