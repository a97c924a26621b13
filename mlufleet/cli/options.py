"""Options and arguments that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from fleet import paths
from fleet.errors import InvalidInput
from fleet.language import _
from mlufleet.report.wide_output import WIDE_VARIABLE

Command = TypeVar("Command", bound=Callable[..., Any])

#: Settings of a command that passes options it does not know on to pyinfra.
PASS_THROUGH = {"ignore_unknown_options": True, "allow_extra_args": True}

INVENTORY_ARGUMENT = click.argument("inventory", type=click.Path())
PYINFRA_OPTIONS_ARGUMENT = click.argument("options", nargs=-1, type=click.UNPROCESSED)

STORE_OPTION = click.option(
    "--store",
    default="artifacts",
    show_default=True,
    help="Folder of the vendor's files.",
    type=click.Path(path_type=Path, file_okay=False),
)
STATE_OPTION = click.option(
    "--state",
    default=Path("watch"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of the watch and its history.",
)


def _print_wide(context: click.Context, _parameter: click.Parameter, is_given: bool) -> None:
    """Have the summary of this process, and of its child, printed with all that it has."""
    if is_given:
        os.environ[WIDE_VARIABLE] = "1"
        context.call_on_close(lambda: os.environ.pop(WIDE_VARIABLE, None))


WIDE_OPTION = click.option(
    "--wide",
    is_flag=True,
    expose_value=False,
    callback=_print_wide,
    help="Print a line and all notes for each host, and all columns, in lines of any width.",
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
LIMIT_OPTION = click.option(
    "--limit",
    multiple=True,
    metavar="HOSTS",
    help="Only these hosts: names, groups, mlu[01-08] or mlu*; separate several with commas.",
)
EXCLUDE_OPTION = click.option(
    "--exclude", multiple=True, metavar="HOSTS", help="All hosts but these."
)
DATA_OPTION = click.option(
    "--data", multiple=True, metavar="KEY=VALUE", help="Set data of every host."
)
EXPECT_DIGEST_OPTION = click.option(
    "--expect-digest",
    default="",
    metavar="DIGEST",
    help="Refuse, before the first connection, if inventory, release or lock are not those whose "
    "digest `mlufleet inventory digest` has printed.",
)

INCLUDE_QUARANTINED_OPTION = click.option(
    "--include-quarantined",
    is_flag=True,
    default=None,
    help="Work on hosts in quarantine as well, which are left out otherwise.",
)

#: letter -> seconds
DURATION_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str, option: str, minimum_s: int, maximum_s: int) -> int:
    """Return the seconds of a duration such as "30s", "5m", "2h" or "7d".

    Args:
        text: The duration.
        option: Option that it is the value of, for the error.
        minimum_s: The shortest that is allowed.
        maximum_s: The longest.

    Raises:
        InvalidInput: It is none, or not within these bounds.
    """
    found = re.fullmatch(r"([0-9]{1,9}) ?([smhd])", text.strip().lower())
    if not found:
        raise InvalidInput(
            _(
                "{option} {text!r}: not a duration; remedy: a number and a unit (s, m, "
                "h or d), such as 30s or 5m",
                option=option,
                text=text,
            )
        )
    seconds = int(found[1]) * DURATION_UNITS[found[2]]
    if not minimum_s <= seconds <= maximum_s:
        bounds = {"minimum": _format_bound(minimum_s), "maximum": _format_bound(maximum_s)}
        values = {"option": option, "text": text, **bounds}
        if seconds < minimum_s:
            raise InvalidInput(
                _("{option} {text!r}: too short; remedy: from {minimum} to {maximum}", **values)
            )
        raise InvalidInput(
            _("{option} {text!r}: too long; remedy: from {minimum} to {maximum}", **values)
        )
    return seconds


def _format_bound(seconds: int) -> str:
    """Return a duration as one is given: a number and the largest unit that goes into it."""
    unit = max(
        (unit for unit, size in DURATION_UNITS.items() if seconds % size == 0), key="smhd".index
    )
    return f"{seconds // DURATION_UNITS[unit]}{unit}"


def complete_release(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the names of releases that begin like a word, for shell completion.

    Args:
        context: The context of the command.
        parameter: The argument that is completed.
        incomplete: The beginning of the word.
    """
    folders = (paths.FILES_FOLDER, paths.SITE_FILES_FOLDER)
    names = sorted({path.stem for folder in folders for path in folder.glob("releases/*.yml")})
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


RELEASES_ARGUMENT = click.argument(
    "releases", nargs=-1, required=True, shell_complete=complete_release
)
