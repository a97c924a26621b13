"""A table of hosts that fits its terminal and its reader: no cell is cut, many hosts are few rows.

Columns without room are told in lines below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.text import sanitize
from mlufleet.report import host_ranges

#: what a column costs beside its text, and the table's edge; characters that each has at least
BORDER, EDGE, LEAST = 3, 1, 6


@dataclass(frozen=True)
class Column:
    """:param most: characters of a line of it; more is folded
    :param rank: the columns of the highest rank are left out first, 0 stays
    :param number: hosts that differ in nothing else are one row, with the least and the most
    """

    title: str
    max_width: int = 30
    drop_rank: int = 0
    is_numeric: bool = False


Row = Sequence[str]


def console(*, err: bool = False) -> Console:
    return Console(stderr=err, highlight=False)


def print_line(on: Console, text: str, style: str = "") -> None:
    """A line that is not broken: a command in it can be copied whole."""
    on.print(Text(sanitize.escape_line(text)), style=style, soft_wrap=True)


def print_table(
    on: Console,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    style: Callable[[str], str],
    rank: Callable[[str], int],
) -> None:
    """Print a row for each host; of many hosts, for those that are alike.

    :param columns: the first is the host, by the second rows are marked and ordered
    """
    rows = [[sanitize.escape_line(cell) for cell in row] for row in rows]
    many = len(rows) > host_ranges.MAX_LISTED_HOSTS
    kept = _visible_columns(columns, rows, on.width, many)
    shown = (
        _group_rows([[row[at] for at in kept] for row in rows], [columns[at] for at in kept], rank)
        if many
        else [[row[at] for at in kept] for row in rows]
    )
    widths = [
        max(map(cell_len, [columns[at].title, *(row[place] for row in shown)]))
        for place, at in enumerate(kept)
    ]
    most = [columns[at].max_width for at in kept]
    table = Table(title=Text(title) if title else None, title_justify="left")
    for at, width in zip(kept, _fit_widths(widths, most, on.width), strict=True):
        table.add_column(columns[at].title, width=width, overflow="fold")
    for row in shown[: host_ranges.MAX_LINES] if many else shown:
        table.add_row(Text(row[0]), Text(row[1], style(row[1])), *map(Text, row[2:]))
    on.print(table)
    if many and len(shown) > host_ranges.MAX_LINES:
        print_line(on, f"… and {len(shown) - host_ranges.MAX_LINES} more such rows")
    left = [
        at for at in range(len(columns)) if at not in kept and not (many and columns[at].is_numeric)
    ]
    if many:
        pairs = [
            (row[0], f"{columns[at].title} {row[at]}")
            for at in left
            for row in rows
            if row[at] not in ("", "-")
        ]
    else:
        pairs = [
            (row[0], "; ".join(said))
            for row in rows
            if (
                said := [
                    f"{columns[at].title} {row[at]}" for at in left if row[at] not in ("", "-")
                ]
            )
        ]
    for line in host_ranges.group_lines(pairs, len(rows), host_ranges.MAX_LINES // 2):
        print_line(on, line)


def _visible_columns(
    columns: Sequence[Column], rows: Sequence[Row], room: int, many: bool
) -> list[int]:
    """Columns that there is room for; of many hosts, none in which each is another."""
    widths = [
        min(column.max_width, max(map(cell_len, [column.title, *(row[at] for row in rows)])))
        for at, column in enumerate(columns)
    ]
    widths[0] = columns[0].max_width if many else widths[0]
    kept = [
        at
        for at, column in enumerate(columns)
        if not many
        or column.is_numeric
        or not column.drop_rank
        or len({row[at] for row in rows}) <= host_ranges.MAX_RANGES
    ]
    while _table_width([widths[at] for at in kept]) > room and any(
        columns[at].drop_rank for at in kept
    ):
        kept.remove(max(kept, key=lambda at: (columns[at].drop_rank, at)))
    return kept


def _group_rows(
    rows: Sequence[Row], columns: Sequence[Column], rank: Callable[[str], int]
) -> list[Row]:
    numbers = {at for at, column in enumerate(columns) if column.is_numeric}
    cells = {row[0]: row for row in rows}
    alike = host_ranges.group_hosts(
        (row[0], tuple("" if at in numbers else cell for at, cell in enumerate(row) if at))
        for row in rows
    )
    found = sorted(alike.items(), key=lambda one: (rank(one[0][0]), -len(one[1])))
    return [
        [
            host_ranges.format_hosts(members),
            *(
                _format_span([cells[name][at] for name in members]) if at in numbers else cell
                for at, cell in enumerate(key, 1)
            ),
        ]
        for key, members in found
    ]


def _format_span(numbers: Sequence[str]) -> str:
    least, most = min(numbers, key=float), max(numbers, key=float)
    return least if least == most else f"{least}-{most}"


def _table_width(widths: Sequence[int]) -> int:
    return EDGE + sum(width + BORDER for width in widths)


def _fit_widths(widths: Sequence[int], most: Sequence[int], room: int) -> list[int]:
    """No wider than they may be; then the widest give way."""
    fits = [min(pair) for pair in zip(widths, most, strict=True)]
    while _table_width(fits) > room and max(fits) > LEAST:
        fits[fits.index(max(fits))] -= 1
    return fits
