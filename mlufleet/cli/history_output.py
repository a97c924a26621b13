"""What `mlufleet history` prints: a table that fits 80 columns, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from fleet.errors import FAILURE_TABLE
from fleet.language import N_, _, n_
from fleet.text.times import format_age, format_utc
from fleet.text.word_lists import join_clauses
from mlufleet.report import host_ranges
from mlufleet.report.compact_table import (
    Cell,
    CompactColumn,
    CompactRow,
    print_compact,
    print_hint_of_columns,
)
from mlufleet.report.console import make_console, print_line, print_text
from mlufleet.report.wide_output import is_output_wide
from mlufleet.watch.decision import NONE, Decision, describe_outcome
from mlufleet.watch.history import (
    EVENT,
    OPEN,
    STATES,
    History,
    ProblemHistory,
    count_looks,
    summarize,
)
from mlufleet.watch.problems import HEALTH, OK, Change

COLUMNS = (
    CompactColumn(N_("host")),
    CompactColumn(N_("state")),
    CompactColumn(N_("problem")),
    CompactColumn(N_("first seen"), 3),
    CompactColumn(N_("last seen"), 1),
    CompactColumn(N_("lasted"), 2),
    CompactColumn(N_("times"), 4, is_numeric=True),
    CompactColumn(N_("action"), 5),  # it is also told below the table
)
#: what a time begins with that is left out if there is no room: the year
YEAR_LENGTH = len("2026-")
COLORS = {OPEN: "red", "flapping": "magenta", EVENT: "yellow", "resolved": "green"}


def print_history(
    found: History, since: float, code: str = "", *, with_changes: bool = False
) -> None:
    """Print what was wrong in a period, a line for each problem.

    Each has times of its own, so that no two are alike.

    Args:
        found: What the watch has seen.
        since: Begin of the period, in seconds since the epoch.
        code: Only problems of this code; empty for all.
        with_changes: Also print each change.
    """
    console = make_console()
    problems = _sort(summarize(found, code))
    if problems:
        is_whole = print_compact(
            console,
            COLUMNS,
            [_row(one) for one in problems],
            lambda state: COLORS.get(state, ""),
            is_wide=is_output_wide(),
        )
        for line in _advise(problems):
            print_text(console, line)
        if not is_whole:
            print_hint_of_columns(console)
    else:
        print_line(console, _describe_nothing(len(found.states), since, code))
    if unconfirmed := _count_unconfirmed(found, code):
        print_line(
            console,
            _(
                "seen by one look, not yet by a second: on {count} host(s)",
                count=unconfirmed,
            ),
        )
    looks = [state.last_look for state in found.states.values() if state.last_look is not None]
    if looks:  # what is open was so then
        print_line(console, _("last look: {time}; all times are UTC", time=format_utc(max(looks))))
    if with_changes:
        _print_hosts(console, found)


def _describe_nothing(host_count: int, since: float, code: str) -> str:
    return n_(
        "no {what} of {count} host since {time}",
        "no {what} of {count} hosts since {time}",
        host_count,
        what=code or _("problem"),
        time=format_utc(since),
    )


def _count_unconfirmed(found: History, code: str) -> int:
    """Return on how many hosts the last look saw a problem that it was the first to see."""
    return sum(
        any(
            one.opened is None and not one.missed and code in ("", one.problem.code)
            for one in state.problems.values()
        )
        for state in found.states.values()
    )


def _sort(problems: Sequence[ProblemHistory]) -> list[ProblemHistory]:
    return sorted(
        problems,
        key=lambda one: (
            host_ranges.natural_key(one.host),
            STATES.index(one.state),
            -one.last_seen,
        ),
    )


def _row(one: ProblemHistory) -> CompactRow:
    return [
        [one.host],
        [_(one.state)],
        [one.problem.key],
        _format_minute(one.first_seen),
        _format_minute(one.last_seen),
        ["-" if one.state == EVENT else format_age(one.seconds)],
        [str(one.times)],
        [one.problem.action],
    ]


def _format_minute(epoch: float) -> Cell:
    """Return a time in UTC, and without its year."""
    whole = format_utc(epoch)[:16].replace("T", " ")
    return [whole, whole[YEAR_LENGTH:]]


def _advise(problems: Sequence[ProblemHistory]) -> Iterator[str]:
    """Return each code once, with its suggested action and its remedy."""
    for one in {one.problem.code: one.problem for one in problems}.values():
        remedy = FAILURE_TABLE[one.code].remedy if one.code in FAILURE_TABLE else one.remedy
        yield _(
            "{code}: {action}. {remedy}", code=one.code, action=one.action, remedy=_(remedy)
        ).rstrip()


def _print_hosts(console: Console, found: History) -> None:
    counts = count_looks(found.looks)
    for host in sorted(found.states, key=host_ranges.natural_key):
        state, looks = found.states[host], counts.get(host, {})
        health = _(state.health)
        if state.since is not None:
            health = _("{state} since {time}", state=health, time=format_utc(state.since))
        console.print()
        words = join_clauses((health, _describe_looks(looks)))
        print_line(console, f"{host}: {words}", "bold")
        lines = [(one.time, _format_change(one)) for one in found.changes if one.host == host]
        lines += [(one.time, _format_decision(one)) for one in found.decisions if one.host == host]
        for _time, line in sorted(lines):
            print_line(console, line)


def _describe_looks(looks: dict[str, int]) -> str:
    count = sum(looks.values())
    share = 100 * looks.get(OK, 0) / count if count else 0
    return (
        _("{share:.1f} % of {count} looks found it ok", share=share, count=count)
        if count
        else _("no look in this period")
    )


def _format_change(change: Change) -> str:
    what = change.sentence
    if change.problem.code != HEALTH:
        what = f"{change.problem.key}: {what}"
    run = _format_run(change.run)
    return f"  {format_utc(change.time)} {_(change.kind)}: {what}{run}"


def _format_decision(decision: Decision) -> str:
    words = [decision.reason, *([describe_outcome(decision)] if decision.rung != NONE else [])]
    title = _("remediation")
    begin = f"  {format_utc(decision.time)} {title}"
    run = _format_run(decision.run)
    return f"{begin}: {_(decision.rung)}: {join_clauses(words)}{run}"


def _format_run(run: str) -> str:
    return " " + _("(run {run})", run=run) if run else ""


def render_json(found: History, since: float, code: str = "") -> str:
    """Return what `mlufleet history --json` prints.

    Args:
        found: What the watch has seen.
        since: Begin of the period, in seconds since the epoch.
        code: Only problems of this code; empty for all.
    """
    counts = count_looks(found.looks)
    document: dict[str, Any] = {
        "since": since,
        "hosts": {
            host: {
                "health": state.health,
                "since": state.since,
                "last_look": state.last_look,
                "last_probed": state.last_probed,
                "looks": counts.get(host, {}),
            }
            for host, state in sorted(found.states.items())
        },
        "problems": [_to_fields(one) for one in _sort(summarize(found, code))],
        "changes": [_change_fields(one) for one in found.changes],
        "decisions": [_decision_fields(one) for one in found.decisions],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _to_fields(one: ProblemHistory) -> dict[str, Any]:
    return {
        "host": one.host,
        "code": one.problem.code,
        "subject": one.problem.subject,
        "state": one.state,
        "sentence": one.problem.sentence,
        "remedy": one.problem.remedy,
        "action": one.problem.action,
        "first_seen": one.first_seen,
        "last_seen": one.last_seen,
        "seconds": round(one.seconds, 3),
        "times": one.times,
    }


def _change_fields(change: Change) -> dict[str, Any]:
    return {
        "time": change.time,
        "host": change.host,
        "kind": change.kind,
        "code": change.problem.code,
        "subject": change.problem.subject,
        "sentence": change.problem.sentence,
        "since": change.since,
        "run": change.run,
    }


def _decision_fields(decision: Decision) -> dict[str, Any]:
    return {
        "time": decision.time,
        "host": decision.host,
        "rung": decision.rung,
        "reason": decision.reason,
        "problems": list(decision.problems),
        "ended": decision.ended,
        "outcome": decision.outcome,
        "run": decision.run,
        "proved": decision.is_proved,
    }
