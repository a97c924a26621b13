"""A table of hosts that fits its terminal and its reader.

No cell is cut: columns that do not fit are printed as lines below. Many hosts are few rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.language import _, english
from fleet.text import sanitize
from mlufleet.report import host_ranges
from mlufleet.report.wide_output import is_output_wide
from mlufleet.report.wrapping import wrap_cells

#: characters that a column needs beside its text
COLUMN_BORDER = 3
#: characters of the table's edge
TABLE_EDGE = 1
#: characters that every column has at least
MIN_COLUMN_WIDTH = 6
#: says how wide a terminal is; without it, what is no terminal has lines of any length
WIDTH_VARIABLE = "COLUMNS"
#: cells without a value
EMPTY_CELLS = ("", "-")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its header, in English.
        max_width: Characters of a line; longer text is folded.
        drop_rank: Columns of the highest rank are dropped first if there is no room; those of
            rank 0 stay.
        is_numeric: Hosts that differ in nothing else share a row, with the range of the numbers.
    """

    title: str
    max_width: int = 30
    drop_rank: int = 0
    is_numeric: bool = False


Row = Sequence[str]


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


def print_table(
    console: Console,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    style: Callable[[str], str],
    rank: Callable[[str], int],
    *,
    is_listed: bool = False,
) -> None:
    """Print a row for each host; of many hosts, for those that are alike.

    Args:
        console: Where to print.
        title: Title of the table; may be empty.
        columns: The first one has the name of the host.
        rows: A row per host.
        style: Returns the style of a cell of the second column, by its English text.
        rank: Returns the place of such a cell: many hosts are sorted by it.
        is_listed: Print each row, also of many.
    """
    keys = {sanitize.escape_line(row[1]): english(row[1]) for row in rows}
    rows = [[sanitize.escape_line(cell) for cell in row] for row in rows]
    columns = [replace(column, title=_(column.title)) for column in columns]
    is_large = len(rows) > host_ranges.MAX_LISTED_HOSTS and not is_listed
    kept = _visible_columns(columns, rows, console.width, is_large)
    shown: Sequence[Row] = [[row[index] for index in kept] for row in rows]
    visible = [columns[index] for index in kept]
    if is_large:
        shown = _group_rows(shown, visible, lambda cell: rank(keys[cell]))
    table = _make_table(title, visible, _column_widths(visible, shown, console.width))
    limit = host_ranges.MAX_LINES if is_large else len(shown)
    for row in shown[:limit]:
        table.add_row(Text(row[0]), Text(row[1], style(keys[row[1]])), *map(Text, row[2:]))
    console.print(table)
    if len(shown) > limit:
        print_line(console, _("… and {count} more such rows", count=len(shown) - limit))
    pairs = _dropped_cells(columns, rows, kept, is_large)
    for line in host_ranges.group_lines(pairs, is_large * len(rows), host_ranges.MAX_LINES // 2):
        print_line(console, line)


def _make_table(title: str, columns: Sequence[Column], widths: Sequence[int]) -> Table:
    table = Table(title=Text(title) if title else None, title_justify="left")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.title, width=width, overflow="fold")
    return table


def _dropped_cells(
    columns: Sequence[Column], rows: Sequence[Row], kept: Sequence[int], is_large: bool
) -> Iterator[tuple[str, str]]:
    """Return the cells of dropped columns as host and text; in a large fleet, one by one."""
    dropped = [index for index in range(len(columns)) if index not in kept]
    if is_large:
        for index in dropped:
            if not columns[index].is_numeric:
                cells = ((row[0], row[index]) for row in rows if row[index] not in EMPTY_CELLS)
                yield from ((name, f"{columns[index].title} {cell}") for name, cell in cells)
        return
    for row in rows:
        filled = [index for index in dropped if row[index] not in EMPTY_CELLS]
        if filled:
            yield row[0], "; ".join(f"{columns[index].title} {row[index]}" for index in filled)


def _visible_columns(
    columns: Sequence[Column], rows: Sequence[Row], room: int, is_large: bool
) -> list[int]:
    """Return the columns that fit; of many hosts, none in which most of them differ."""
    widths = [
        min(column.max_width, _text_width(column.title, (row[index] for row in rows)))
        for index, column in enumerate(columns)
    ]
    if is_large:
        widths[0] = columns[0].max_width
    kept = [
        index
        for index, column in enumerate(columns)
        if not is_large
        or column.is_numeric
        or not column.drop_rank
        or len({row[index] for row in rows}) <= host_ranges.MAX_RANGES
    ]
    while _table_width([widths[index] for index in kept]) > room:
        if not any(columns[index].drop_rank for index in kept):
            break
        kept.remove(max(kept, key=lambda index: (columns[index].drop_rank, index)))
    return kept


def _text_width(title: str, cells: Iterator[str]) -> int:
    return max(map(cell_len, (title, *cells)))


def _group_rows(
    rows: Sequence[Row], columns: Sequence[Column], rank: Callable[[str], int]
) -> list[Row]:
    """Return a row for all hosts that differ in nothing but their numbers."""
    numeric = {index for index, column in enumerate(columns) if column.is_numeric}
    cells = {row[0]: row for row in rows}
    groups = host_ranges.group_hosts(
        (row[0], tuple("" if index in numeric else row[index] for index in range(1, len(row))))
        for row in rows
    )
    ordered = sorted(groups.items(), key=lambda item: (rank(item[0][0]), -len(item[1])))
    return [
        [
            host_ranges.format_hosts(names),
            *(
                _format_span([cells[name][index] for name in names]) if index in numeric else cell
                for index, cell in enumerate(key, 1)
            ),
        ]
        for key, names in ordered
    ]


def _format_span(numbers: Sequence[str]) -> str:
    least, most = min(numbers, key=float), max(numbers, key=float)
    return least if least == most else f"{least}-{most}"


def _table_width(widths: Sequence[int]) -> int:
    return TABLE_EDGE + sum(width + COLUMN_BORDER for width in widths)


def _column_widths(columns: Sequence[Column], rows: Sequence[Row], room: int) -> list[int]:
    """Return the widths of columns; if they do not fit, the widest ones give way."""
    widths = [
        min(column.max_width, _text_width(column.title, (row[index] for row in rows)))
        for index, column in enumerate(columns)
    ]
    while _table_width(widths) > room and max(widths) > MIN_COLUMN_WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths
