"""The report as one HTML file: no assets, no requests, all of it there without JavaScript."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mlufleet.report import time_shares, timeline
from mlufleet.report.changes import compare_runs, hosts_by_drift
from mlufleet.report.host_ranges import natural_key
from mlufleet.report.last_seen import format_utc
from mlufleet.report.model import (
    STAGES,
    STATUSES,
    HostFailure,
    HostReport,
    Report,
    log_file_name,
    parse_report,
    stage_name,
)

TEMPLATES = Path(__file__).resolve().parents[2] / "files" / "templates"
#: colour alone says nothing to some readers, and nothing at all on paper
STATUS_GLYPHS = {
    "ok": "✓",
    "changed": "↻",
    "failed": "✕",
    "unreachable": "?",
    "skipped": "–",
    "not started": "○",
    "rolled back": "↩",
}
VERDICTS = {
    0: "Every host is as wanted",
    1: "The run ended with an internal error",
    2: "Some hosts are not as wanted",
    3: "Inventory, release, lock or store is invalid; nothing was touched",
    4: "Some hosts are unreachable, none failed",
    5: "Stopped by the failure budget, or rolled back",
    130: "Interrupted",
}
STOP_REASONS = {
    "canary": "a canary failed",
    "budget": "the failure budget was spent",
    "interrupted": "it was interrupted",
}
#: up to so many failures are open from the start
MAX_OPEN_FAILURES = 10


def render_page(report: Mapping[str, Any], previous: Mapping[str, Any] | None = None) -> str:
    """The whole page.

    :param previous: the report of the run before; the page says what changed since
    """
    run = parse_report(report)
    style, script = (_read_asset(name) for name in ("report.css", "report.js"))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            style=style,
            script=script,
            policy=_content_security_policy(style, script),
            groups=_hosts_by_group(run),
            ids={name: f"h{i}" for i, name in enumerate(run.hosts)},
            picture=timeline.build_timeline(run),
            time=list(time_shares.summary_lines(run)),
            failures=_failures_by_code(run),
            few=sum(host.failure is not None for host in run.hosts.values()) <= MAX_OPEN_FAILURES,
            since=compare_runs(run, parse_report(previous)) if previous else None,
            drift=hosts_by_drift(run),
            verdict=_verdict(run),
            marks=STATUS_GLYPHS,
            stops=STOP_REASONS,
        )
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters.update(
        duration=format_duration,
        when=_format_time,
        log_file=log_file_name,
        slug=lambda status: _css_class(status, STATUSES),
        stage_class=lambda stage: _css_class(stage_name(stage), STAGES),
    )
    return made


def _css_class(word: str, known: tuple[str, ...]) -> str:
    """A word as a class; one that we have no colour for is "other"."""
    return word.replace(" ", "-") if word in known else "other"


def _read_asset(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _content_security_policy(style: str, script: str) -> str:
    """Nothing is loaded, and of what stands in the page only what we wrote runs."""
    style, script = (b64encode(sha256(t.encode()).digest()).decode() for t in (style, script))
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hosts_by_group(run: Report) -> dict[str, list[tuple[str, HostReport]]]:
    """Every host once, under its first group; "" for hosts without one, last."""
    groups: dict[str, list[tuple[str, HostReport]]] = {}
    for name, host in run.hosts.items():
        groups.setdefault(host.groups[0] if host.groups else "", []).append((name, host))
    return dict(sorted(groups.items(), key=lambda item: (not item[0], natural_key(item[0]))))


def _failures_by_code(
    run: Report,
) -> dict[tuple[str, str], list[tuple[str, HostReport, HostFailure]]]:
    """Code and remedy -> the hosts, the most frequent first: what is to be done is read once."""
    found: dict[tuple[str, str], list[tuple[str, HostReport, HostFailure]]] = {}
    for name, host in run.hosts.items():
        if host.failure:
            key = (host.failure.code, host.failure.remedy)
            found.setdefault(key, []).append((name, host, host.failure))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _verdict(run: Report) -> str:
    if run.exit is None or run.ended is None:
        return "The run has not ended, or was killed"
    if run.dry and run.exit == 0:
        return "Nothing would be refused"
    counts, total = run.counts, len(run.hosts)
    if run.exit == 2 and (failed := counts.get("failed")):
        return f"{failed} of {total} hosts {'would be refused' if run.dry else 'failed'}"
    if run.exit == 4 and (away := counts.get("unreachable")):
        return f"{away} of {total} hosts {'is' if away == 1 else 'are'} unreachable, none failed"
    return VERDICTS.get(run.exit, f"Exit status {run.exit}")


def format_duration(seconds: float) -> str:
    """As a person says it: "4 s", "3 min 05 s", "1 h 02 min"."""
    if 0 < seconds < 1:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s" if whole % 60 else f"{whole // 60} min"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"


def _format_time(epoch: float) -> str:
    return format_utc(epoch).replace("T", " ").replace("Z", " UTC")
