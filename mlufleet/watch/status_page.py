"""The fleet as the watch last saw it, as one HTML page: no assets, and readable without JavaScript.

It is made as the report is (:mod:`mlufleet.report.html`), and shares its style and its table. Its
script asks for the page again and replaces what has changed; nothing on it changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from fleet.error_codes import ACTIONS
from fleet.language import _, n_
from fleet.text import sanitize
from fleet.text.times import format_age, format_duration
from fleet.text.word_lists import join_words
from mlufleet.report import html_page
from mlufleet.report.host_ranges import format_ranges, natural_key
from mlufleet.report.html_page import MarkStyle
from mlufleet.watch import history_charts, problem_groups, problems, status_rows
from mlufleet.watch.decision import describe_outcome
from mlufleet.watch.last_runs import RunSummary
from mlufleet.watch.problems import Change, Problem
from mlufleet.watch.snapshot import FleetSnapshot
from mlufleet.watch.status_rows import BAD_HEALTHS, HEALTH_STYLES, HostRow

#: seconds of history that the page is made from
HISTORY_S = history_charts.HISTORY_S
#: seconds until the page is asked for again, by its script …
REFRESH_S = 30
#: … and by a browser without JavaScript, which loses what was unfolded
RELOAD_S = 120
#: changes that are listed; the same change of several hosts within CHANGE_GAP_S is one line
MAX_LISTED_CHANGES = 40
CHANGE_GAP_S = 3600
QUIET_KINDS = ("health", "recurred")
#: in a larger fleet, cells have no names
MAX_ROOMY_HOSTS = 40
#: the hosts of a problem are unfolded if the page has not more problems
MAX_OPEN_CAUSES = 6
OTHER = MarkStyle("other", "·")


def render_status_page(
    snapshot: FleetSnapshot, changes: Sequence[Change], runs: Sequence[RunSummary]
) -> str:
    """Return the whole page.

    Args:
        snapshot: The fleet.
        changes: Changes of the last :data:`HISTORY_S` seconds, in any order.
        runs: The last runs, the newest first.
    """
    style, script = _assets()
    rows = status_rows.list_rows(snapshot)
    troubles = list_troubles(snapshot, rows)
    return (
        _environment()
        .get_template("status.html.j2")
        .render(
            fleet=snapshot,
            style=style,
            script=script,
            policy=_policy(),
            refresh_s=REFRESH_S,
            reload_s=RELOAD_S,
            verdict=_verdict(rows),
            tone=_tone(rows, troubles),
            troubles=troubles,
            charts=history_charts.build_charts(snapshot, changes),
            changes=list_changes(changes),
            runs=runs,
            decisions=sorted(
                (one for name, one in snapshot.decisions.items() if name in snapshot.hosts),
                key=lambda one: -one.time,
            ),
            **_describe_hosts(snapshot, rows),
        )
    )


def _describe_hosts(snapshot: FleetSnapshot, rows: Sequence[HostRow]) -> dict[str, Any]:
    """Return what the page shows of hosts, cards and endpoints."""
    hosts = snapshot.hosts.values()
    groups = problem_groups.group_problems(hosts)
    return {
        "rows": sorted(rows, key=lambda row: natural_key(row.host.name)),
        "groups": _rows_by_group(rows),
        "ids": {row.host.name: row.id for row in rows},
        "healths": status_rows.count_healths(rows),
        "roomy": len(rows) <= MAX_ROOMY_HOSTS,
        "problems": groups,
        "actions": ACTIONS,
        "open_causes": sum(len(group.causes) for group in groups) <= MAX_OPEN_CAUSES,
        "unconfirmed": problem_groups.count_unconfirmed(hosts),
        "totals": status_rows.count_totals(rows),
        "cards": status_rows.list_card_states(rows),
        "not_seen": status_rows.NOT_SEEN,
        "endpoints": status_rows.list_endpoints(rows),
    }


@cache
def _assets() -> tuple[Markup, Markup]:
    style = html_page.read_assets("page.css", "status.css")
    return style, html_page.read_assets("table.js", "status.js")


@cache
def _policy() -> str:
    """Return the page's policy: its script may ask for the page again."""
    return html_page.content_security_policy(*_assets(), connect="'self'")


@cache
def _environment() -> Environment:
    environment = html_page.make_environment()
    # names of the inventory, and what the store kept, may hold anything
    environment.finalize = _escape_controls
    environment.filters.update(
        style=lambda health: HEALTH_STYLES.get(health, OTHER),
        ranges=format_ranges,
        sentence=_problem_sentence,
        outcome=describe_outcome,
    )
    return environment


def _escape_controls(value: Any) -> Any:
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return sanitize.escape_text(value) if is_text else value


def _problem_sentence(problem: Problem) -> str:
    return ": ".join(filter(None, (problem.subject, problem.sentence)))


def _tone(rows: Iterable[HostRow], troubles: Sequence[tuple[str, str]]) -> str:
    """Return how the verdict sounds: "bad", "good", or "waiting" if too little is known."""
    healths = {row.health for row in rows}
    if troubles or not healths.isdisjoint(BAD_HEALTHS):
        return "bad"
    return "good" if healths - {problems.UNKNOWN} else "waiting"


def _verdict(rows: Sequence[HostRow]) -> str:
    """Return in a sentence what the last looks saw, and no more than that."""
    total, counts = len(rows), status_rows.count_healths(rows)
    waiting = counts.get("unknown", 0)
    if not rows:
        return _("The inventory has no hosts")
    if waiting == total:
        return _("No host has been looked at yet")
    if all(row.is_stale for row in rows):
        ages = [row.looked_s for row in rows if row.looked_s is not None]
        return _("No host was looked at for {age}", age=format_age(min(ages)))
    hosts = n_("{count} host", "{count} hosts", total)
    if bad := [
        _("{count} {health}", count=counts[health], health=_(health))
        for health in BAD_HEALTHS
        if health in counts
    ]:
        return _("{counts} of {hosts}", counts=join_words(bad), hosts=hosts)
    parts = []
    if waiting:
        parts.append(_("Nothing wrong on {count} of {hosts}", count=total - waiting, hosts=hosts))
    if "busy" in counts:
        parts += [] if parts else [_("Nothing wrong")]
        parts.append(_("{count} of {hosts} being worked on", count=counts["busy"], hosts=hosts))
    if waiting:
        parts.append(_("{count} not looked at yet", count=waiting))
    return join_words(parts) if parts else _("Nothing wrong on {hosts}", hosts=hosts)


def list_troubles(snapshot: FleetSnapshot, rows: Iterable[HostRow]) -> list[tuple[str, str]]:
    """Return what is wrong with the watch itself, and what follows from it.

    Args:
        snapshot: The fleet.
        rows: All hosts.
    """
    troubles = []
    if snapshot.reload_error:
        troubles.append(
            (
                _(
                    "The inventory or a release could not be read anew: {error}",
                    error=snapshot.reload_error,
                ),
                _("The older ones are used until they are right."),
            )
        )
    if snapshot.store_error:
        troubles.append(
            (
                _("The history cannot be written: {error}", error=snapshot.store_error),
                _("The watch goes on in memory and tries again; a restart would lose what it saw."),
            )
        )
    troubles += _list_missed_notices(snapshot)
    if stale := [row for row in rows if row.is_stale]:
        oldest_s = max(row.looked_s or 0.0 for row in stale)
        names = format_ranges(row.host.name for row in stale)
        age = _("last look {age} ago", age=format_age(oldest_s)) if oldest_s else _("no look yet")
        troubles.append(
            (
                _(
                    "Late looks at {count} of {total} hosts ({age}): {hosts}",
                    count=len(stale),
                    total=len(snapshot.hosts),
                    age=age,
                    hosts=names,
                ),
                _(
                    "Each is to be looked at every {interval}; what is said of them may no "
                    "longer be true.",
                    interval=format_duration(snapshot.every_s),
                ),
            )
        )
    return troubles


def _list_missed_notices(snapshot: FleetSnapshot) -> list[tuple[str, str]]:
    return [
        (
            _("Notices do not reach {receiver}: {error}", receiver=receiver, error=error),
            _("It is told later what it has missed."),
        )
        for receiver, error in snapshot.notice_errors.items()
        if error
    ]


def _rows_by_group(rows: Iterable[HostRow]) -> dict[str, list[HostRow]]:
    """Return every host once, under its first group; "" for hosts without a group comes last."""
    groups: dict[str, list[HostRow]] = {}
    for row in sorted(rows, key=lambda row: natural_key(row.host.name)):
        groups.setdefault(row.host.groups[0] if row.host.groups else "", []).append(row)
    return dict(sorted(groups.items(), key=lambda item: (not item[0], natural_key(item[0]))))


def list_changes(changes: Iterable[Change]) -> list[list[Change]]:
    """Return the last changes, the newest first; the same change of several hosts is one entry.

    Changes of health are left out, as each follows from another one, and what recurs of a problem
    that is known to come and go.

    Args:
        changes: Changes in any order.
    """
    entries: list[list[Change]] = []
    told = (change for change in changes if change.kind not in QUIET_KINDS)
    for change in sorted(told, key=lambda change: -change.time):
        last = entries[-1] if entries else []
        if (
            last
            and (last[0].kind, last[0].problem.code) == (change.kind, change.problem.code)
            and last[-1].time - change.time <= CHANGE_GAP_S
        ):
            last.append(change)
        elif len(entries) == MAX_LISTED_CHANGES:
            break
        else:
            entries.append([change])
    return entries
