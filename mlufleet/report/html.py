"""The report as one HTML file: no assets, no requests, and readable without JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment

from fleet.language import N_, _
from mlufleet.journal.events import FailureRecord, ValidationRecord
from mlufleet.report import html_page, time_shares
from mlufleet.report.changes import compare_runs, hosts_by_drift
from mlufleet.report.host_ranges import natural_key
from mlufleet.report.html_page import MarkStyle
from mlufleet.report.model import (
    STATUSES,
    HostReport,
    Report,
    log_file_name,
    stage_name,
)
from mlufleet.report.statuses import STATUS_STYLES
from mlufleet.report.timeline import build_timeline
from mlufleet.report.verdicts import run_verdict
from operations.stage_order import STAGE_ORDER

STOP_REASONS = {
    "canary": N_("a canary failed"),
    "budget": N_("the failure budget was exceeded"),
    "serving": N_("too few endpoints would have stayed ready"),
    "interrupted": N_("it was interrupted"),
    "declined": N_("it was not approved"),
}
#: the details of all failures are unfolded if there are not more
MAX_OPEN_FAILURES = 10
#: verdicts of validation tests that are shown first; all others come last
VERDICT_ORDER = ("FAILED", "SKIPPED")

Hosts = Sequence[tuple[str, HostReport]]


def render_page(report: Report, previous: Report | None = None) -> str:
    """Return the whole page.

    Args:
        report: Report of the run.
        previous: Report of an earlier run; the page shows what changed since.
    """
    style = html_page.read_assets("page.css", "report.css")
    script = html_page.read_assets("table.js")
    hosts = report.sorted_hosts()
    failed = sum(host.failure is not None for _name, host in hosts)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=report,
            hosts=hosts,
            style=style,
            script=script,
            policy=html_page.content_security_policy(style, script),
            verdict=run_verdict(report),
            groups=_hosts_by_group(hosts),
            ids={name: f"h{index}" for index, (name, _host) in enumerate(hosts)},
            failures=_failures_by_code(hosts),
            open_failures=failed <= MAX_OPEN_FAILURES,
            diff=compare_runs(report, previous) if previous else None,
            drift=hosts_by_drift(report),
            validations=_validations(hosts),
            timeline=build_timeline(report),
            time_lines=list(time_shares.summary_lines(report)),
            served=[(name, host) for name, host in hosts if host.endpoints],
            left=[(name, host) for name, host in hosts if host.left],
            notices=[(name, lines) for name, host in hosts if (lines := host_notices(host))],
            stop_reasons=STOP_REASONS,
        )
    )


@cache
def _environment() -> Environment:
    environment = html_page.make_environment()
    environment.filters.update(
        log_file=log_file_name,
        style=_mark_style,
        stage_class=lambda stage: _css_class(stage_name(stage), STAGE_ORDER),
    )
    return environment


def _mark_style(status: str) -> MarkStyle:
    glyph = STATUS_STYLES[status].glyph if status in STATUS_STYLES else "·"
    return MarkStyle(_css_class(status, STATUSES), glyph)


def _css_class(word: str, known: tuple[str, ...]) -> str:
    """Return a word as a CSS class; "other" if there is no color for it."""
    return word.replace(" ", "-") if word in known else "other"


def _hosts_by_group(hosts: Hosts) -> dict[str, list[tuple[str, HostReport]]]:
    """Return every host once, under its first group; "" for hosts without a group comes last."""
    groups: dict[str, list[tuple[str, HostReport]]] = {}
    for name, host in hosts:
        groups.setdefault(host.groups[0] if host.groups else "", []).append((name, host))
    return dict(sorted(groups.items(), key=lambda item: (not item[0], natural_key(item[0]))))


def _failures_by_code(
    hosts: Hosts,
) -> dict[tuple[str, str], list[tuple[str, HostReport, FailureRecord]]]:
    """Return code and remedy -> hosts, the most frequent first: a remedy is read once."""
    found: dict[tuple[str, str], list[tuple[str, HostReport, FailureRecord]]] = {}
    for name, host in hosts:
        if host.failure:
            key = (host.failure.code, host.failure.remedy)
            found.setdefault(key, []).append((name, host, host.failure))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _validations(hosts: Hosts) -> list[tuple[str, str, ValidationRecord]]:
    """Return hosts, tests and results; failed tests first, then those that did not run."""
    results = [
        (name, test, result) for name, host in hosts for test, result in host.validation.items()
    ]
    ranks = {verdict: rank for rank, verdict in enumerate(VERDICT_ORDER)}
    return sorted(results, key=lambda result: ranks.get(result[2].verdict, len(ranks)))


def host_notices(host: HostReport) -> list[str]:
    """Return what the operator should know of a host although it is not a failure.

    Args:
        host: Report of the host.
    """
    lines = []
    if back := host.rolled_back:
        before, target = back.get("from"), back.get("to") or "?"
        lines.append(
            _("rolled back from {before} to {target}", before=before, target=target)
            if before
            else _("rolled back to {target}", target=target)
        )
    if lock := host.lock:
        lines.append(
            _(
                "was locked by {operator}, run {run}",
                operator=lock.operator or "?",
                run=lock.run or "?",
            )
        )
    if host.way_back:
        lines.append(host.way_back)
    if host.stale_note:
        lines.append(host.stale_note)
    lines += [_("moved aside: {what}", what=what) for what in host.kept]
    if host.audit_log:
        lines.append(_("its audit log is kept: {audit_log}", audit_log=host.audit_log))
    if host.swarmed:
        swarmed, sent = host.swarmed / 1e6, host.sent / 1e6
        lines.append(
            _(
                "received {swarmed:,.0f} MB from the swarm, {sent:,.0f} MB by SSH",
                swarmed=swarmed,
                sent=sent,
            )
        )
    if host.reused:
        lines.append(
            _(
                "{reused:,.0f} MB lay on the host already and were not sent",
                reused=host.reused / 1e6,
            )
        )
    if host.ahead >= 1:
        lines.append(
            _(
                "files of later stages came in {seconds:.0f} s that other stages took",
                seconds=host.ahead,
            )
        )
    return lines + host.notes
