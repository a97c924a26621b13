"""How far a run is, from its journal: while it runs, after it ended, and if it was killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fleet.language import N_, _
from fleet.text.times import format_utc
from fleet.text.word_lists import join_words
from mlufleet.journal import journal, run_folders
from mlufleet.report import host_ranges
from mlufleet.report.derive import STARTING, derive_from_journal
from mlufleet.report.model import HostReport, Report
from mlufleet.report.serving import serving_lines

#: lines of drift for a large fleet
MAX_DRIFT_LINES = 5 * host_ranges.MAX_LINES
AT_WORK, ENDED, KILLED = N_("at work"), N_("ended"), N_("killed")
#: kinds of runs, and why they stopped
KINDS = (N_("deploy"), N_("rollout"), N_("rollback"), N_("adoption"), N_("retirement"))
REASONS = (N_("canary"), N_("budget"), N_("serving"), N_("interrupted"), N_("declined"))


def _load_report(folder: Path, limit: tuple[str, ...]) -> Report:
    """Return the report of a run, with the hosts that the operator asked for only."""
    report = derive_from_journal(folder)
    if limit:
        from fleet.inventory.host_selection import InventoryNames  # pyinfra is slow to import

        groups: dict[str, list[str]] = {}
        for name, host in report.hosts.items():
            for group in host.groups:
                groups.setdefault(group, []).append(name)
        chosen = InventoryNames(report.hosts, groups).select_hosts(limit)
        report.hosts = {name: host for name, host in report.hosts.items() if name in chosen}
    return report


def status_lines(run: str, limit: tuple[str, ...] = ()) -> Iterator[str]:
    """Return the status of a run in a line, then that of its hosts.

    Args:
        run: Name of the run, or "latest".
        limit: Only these hosts and groups; empty for all.

    Raises:
        InvalidInput: There is no such run, or it has none of these hosts.
    """
    folder = run_folders.find_run(run)
    is_running = journal.is_running(folder)
    report = _load_report(folder, limit)
    counts = Counter(
        AT_WORK if is_running and host.now else host.status for host in report.hosts.values()
    )
    state = AT_WORK if is_running else ENDED if report.ended else KILLED
    numbers = join_words(
        _("{count} {status}", count=count, status=_(status))
        for status, count in sorted(counts.items())
    )
    stopped = report.rollout.stopped if report.rollout else ""
    yield _(
        "{kind} {run}: {state}; {count} hosts: {numbers}",
        kind=_(report.kind),
        run=folder.name,
        state=_("{state} (stopped: {reason})", state=_(state), reason=_(stopped))
        if stopped
        else _(state),
        count=len(report.hosts),
        numbers=numbers,
    )
    serving = report.rollout.serving if report.rollout else None
    if is_running and serving and serving.waiting_line:
        yield serving.waiting_line
    yield from serving_lines(report)
    lines = ((name, _host_state(host, is_running)) for name, host in report.sorted_hosts())
    yield from host_ranges.group_lines(lines, len(report.hosts))


def _host_state(host: HostReport, is_running: bool) -> str:
    if host.now:
        work = _(STARTING) if host.now == STARTING else host.now  # names of stages stay as they are
        at = _("at {work}", work=work) if is_running else _("was at {work}", work=work)
        return at if is_running else f"{at}{_last_seen(host)}"
    reason = f": {host.failure.code}: {host.failure.sentence}" if host.failure else ""
    return f"{_(host.status)}{reason}{_last_seen(host) if host.old else ''}"


def _last_seen(host: HostReport) -> str:
    return "" if host.seen is None else _(", last seen {time}", time=format_utc(host.seen))


def drift_lines(run: str, limit: tuple[str, ...] = ()) -> Iterator[str]:
    """Return what was to be done on each host, stage by stage; many hosts are grouped.

    Args:
        run: Name of the run, or "latest".
        limit: Only these hosts and groups; empty for all.

    Raises:
        InvalidInput: There is no such run, or it has none of these hosts.
    """
    report = _load_report(run_folders.find_run(run), limit)
    yield from host_ranges.group_lines(_drift(report), len(report.hosts), MAX_DRIFT_LINES)


def _drift(report: Report) -> Iterator[tuple[str, str]]:
    for name, host in report.sorted_hosts():
        if not host.drift:
            yield name, _("none") if host.versions else _("not probed")
        for stage, words in host.drift.items():
            yield name, f"{stage}: {'; '.join(words)}"
