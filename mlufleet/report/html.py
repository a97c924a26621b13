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
from mlufleet.report.changes import drifted, since
from mlufleet.report.host_ranges import natural
from mlufleet.report.last_seen import moment
from mlufleet.report.model import STAGES, STATUSES, Fault, Host, Report, kind, log_file, read

TEMPLATES = Path(__file__).resolve().parents[2] / "files" / "templates"
#: colour alone says nothing to some readers, and nothing at all on paper
MARKS = {
    "ok": "✓",
    "changed": "↻",
    "failed": "✕",
    "unreachable": "?",
    "skipped": "–",
    "not started": "○",
    "rolled back": "↩",
}
EXITS = {
    0: "Every host is as wanted",
    1: "The run ended with an internal error",
    2: "Some hosts are not as wanted",
    3: "Inventory, release, lock or store is invalid; nothing was touched",
    4: "Some hosts are unreachable, none failed",
    5: "Stopped by the failure budget, or rolled back",
    130: "Interrupted",
}
STOPS = {
    "canary": "a canary failed",
    "budget": "the failure budget was spent",
    "interrupted": "it was interrupted",
}
#: up to so many failures are open from the start
OPEN = 10


def render(report: Mapping[str, Any], previous: Mapping[str, Any] | None = None) -> str:
    """The whole page.

    :param previous: the report of the run before; the page says what changed since
    """
    run = read(report)
    style, script = (_inline(name) for name in ("report.css", "report.js"))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            style=style,
            script=script,
            policy=_policy(style, script),
            groups=_groups(run),
            ids={name: f"h{i}" for i, name in enumerate(run.hosts)},
            picture=timeline.draw(run),
            time=list(time_shares.told(run)),
            failures=_failures(run),
            few=sum(host.failure is not None for host in run.hosts.values()) <= OPEN,
            since=since(run, read(previous)) if previous else None,
            drift=drifted(run),
            verdict=_verdict(run),
            marks=MARKS,
            stops=STOPS,
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
        duration=duration,
        when=_when,
        log_file=log_file,
        slug=lambda status: _slug(status, STATUSES),
        stage_class=lambda stage: _slug(kind(stage), STAGES),
    )
    return made


def _slug(word: str, known: tuple[str, ...]) -> str:
    """A word as a class; one that we have no colour for is "other"."""
    return word.replace(" ", "-") if word in known else "other"


def _inline(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, and of what stands in the page only what we wrote runs."""
    style, script = (b64encode(sha256(t.encode()).digest()).decode() for t in (style, script))
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _groups(run: Report) -> dict[str, list[tuple[str, Host]]]:
    """Every host once, under its first group; "" for hosts without one, last."""
    groups: dict[str, list[tuple[str, Host]]] = {}
    for name, host in run.hosts.items():
        groups.setdefault(host.groups[0] if host.groups else "", []).append((name, host))
    return dict(sorted(groups.items(), key=lambda item: (not item[0], natural(item[0]))))


def _failures(run: Report) -> dict[tuple[str, str], list[tuple[str, Host, Fault]]]:
    """Code and remedy -> the hosts, the most frequent first: what is to be done is read once."""
    found: dict[tuple[str, str], list[tuple[str, Host, Fault]]] = {}
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
    return EXITS.get(run.exit, f"Exit status {run.exit}")


def duration(seconds: float) -> str:
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


def _when(epoch: float) -> str:
    return moment(epoch).replace("T", " ").replace("Z", " UTC")
