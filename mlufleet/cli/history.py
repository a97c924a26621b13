"""`mlufleet history`: what the watch has seen."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from pathlib import Path

import click

from fleet.errors import FAILURE_TABLE, InvalidInput, canonical_code
from fleet.language import _
from fleet.text import suggestions
from mlufleet.cli.options import JSON_OPTION, STATE_OPTION, WIDE_OPTION, parse_duration
from mlufleet.cli.translated_command import TranslatedCommand

#: bounds of --since
MIN_SINCE_S, MAX_SINCE_S = 1, 36500 * 86400


def _complete_code(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[str]:
    from mlufleet.watch.problems import OWN_CODES

    return [code for code in (*OWN_CODES, *FAILURE_TABLE) if code.startswith(incomplete.upper())]


@click.command(cls=TranslatedCommand)
@click.argument("hosts", nargs=-1)
@STATE_OPTION
@click.option(
    "--since",
    default="7d",
    show_default=True,
    help="How far to look back: 12h, 7d, 90d; or a time in UTC: 2026-11-20, 2026-11-20T09:30.",
)
@click.option("--code", help="Only problems of this code.", shell_complete=_complete_code)
@WIDE_OPTION
@JSON_OPTION
def history(
    hosts: tuple[str, ...], state: Path, since: str, code: str | None, as_json: bool
) -> None:
    """Show what the watch has seen of HOSTS (default: all).

    Lists what is wrong and what was wrong since then: first and last seen, for how long and how
    often, with the suggested action. Problems that are still there are listed whenever they began.
    Reboots that no run did and drift are among them. With HOSTS (names, mlu[01-08] or mlu*), also
    prints every change. Reads the history of `mlufleet watch`, also while that is at work.

    Exit status: 0, or 3 if there is no history or no such host.

    \b
    Examples:
      mlufleet history
      mlufleet history mlu03 --since 30d
      mlufleet history --since 2026-11-20T09:30
      mlufleet history --code REBOOTED --since 90d
      mlufleet history --json
    """
    from mlufleet.cli import history_output
    from mlufleet.watch.history import load_history

    code = _check_code(code) if code else ""
    begin = _parse_since(since, time.time())
    found = load_history(state, begin)
    names = _select_hosts(hosts, sorted(found.states)) if hosts else set(found.states)
    found = found.select(names, code)
    if as_json:
        click.echo(history_output.render_json(found, begin, code))
    else:
        history_output.print_history(found, begin, code, with_changes=bool(hosts))


def _parse_since(text: str, now: float) -> float:
    """Return the time of a duration before now, or of a date with or without a time."""
    if not re.match(r"\d{4}-", text.strip(), re.ASCII):
        return now - parse_duration(text, "--since", MIN_SINCE_S, MAX_SINCE_S)
    try:
        found = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text.strip()))
    except ValueError:
        raise InvalidInput(
            _(
                "--since {text!r}: not a time; remedy: one such as 2026-11-20 or "
                "2026-11-20T09:30, in UTC, or a duration such as 7d",
                text=text,
            )
        ) from None
    begin = (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    if begin >= now:
        raise InvalidInput(
            _("--since {text!r}: is in the future; remedy: an earlier time, in UTC", text=text)
        )
    return begin


def _check_code(code: str) -> str:
    from mlufleet.watch.problems import OWN_CODES

    known = [*OWN_CODES, *FAILURE_TABLE]
    code = canonical_code(code.strip().upper().replace("-", "_"))
    if code not in known:
        near = suggestions.format_suggestions(code, known)
        raise InvalidInput(
            _(
                "--code {code}: no such code{nearest}; remedy: `mlufleet explain` lists all",
                code=code,
                nearest=near,
            )
        )
    return code


def _select_hosts(patterns: tuple[str, ...], known: list[str]) -> set[str]:
    from fleet.inventory.host_selection import InventoryNames

    return InventoryNames(known, {}).select_hosts(patterns, "HOST")
