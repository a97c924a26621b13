"""Lines of text on a terminal, none of them cut."""

from __future__ import annotations

import os

from rich.console import Console
from rich.text import Text

from fleet.text import sanitize
from mlufleet.report.wide_output import is_output_wide
from mlufleet.report.wrapping import wrap_cells

#: says how wide a terminal is; without it, what is no terminal has lines of any length
WIDTH_VARIABLE = "COLUMNS"


def make_console(*, err: bool = False) -> Console:
    """Return a console that highlights nothing.

    Args:
        err: Print to standard error, else to standard output.
    """
    return Console(stderr=err, highlight=False)


def print_line(console: Console, text: str, style: str = "") -> None:
    """Print a line without breaking it: a command in it can be copied.

    Args:
        console: Where to print.
        text: The line; what is not safe to print is escaped.
        style: Style of the whole line.
    """
    console.print(Text(sanitize.escape_line(text)), style=style, soft_wrap=True)


def print_text(console: Console, text: str, style: str = "", *, later: str = "  ") -> None:
    """Print a sentence: on a terminal, in lines that fit, unless there is a command in it.

    Args:
        console: Where to print.
        text: The sentence; what is not safe to print is escaped.
        style: Style of all of it.
        later: Beginning of all lines but the first one.
    """
    line = sanitize.escape_line(text).replace("\t", " ")
    has_edge = console.is_terminal or WIDTH_VARIABLE in os.environ
    is_whole = is_output_wide() or not has_edge or "`" in line
    lines = [line] if is_whole else wrap_cells(line, console.width, later, is_folded=True)
    for part in lines:
        print_line(console, part, style)
