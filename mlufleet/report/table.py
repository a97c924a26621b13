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
    most: int = 30
    rank: int = 0
    number: bool = False


Row = Sequence[str]


def console(*, err: bool = False) -> Console:
    return Console(stderr=err, highlight=False)


def say(on: Console, text: str, style: str = "") -> None:
    """A line that is not broken: a command in it can be copied whole."""
    on.print(Text(sanitize.line(text)), style=style, soft_wrap=True)


def show(
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
    rows = [[sanitize.line(cell) for cell in row] for row in rows]
    many = len(rows) > host_ranges.FEW
    kept = _kept(columns, rows, on.width, many)
    shown = (
        _grouped([[row[at] for at in kept] for row in rows], [columns[at] for at in kept], rank)
        if many
        else [[row[at] for at in kept] for row in rows]
    )
    widths = [
        max(map(cell_len, [columns[at].title, *(row[place] for row in shown)]))
        for place, at in enumerate(kept)
    ]
    most = [columns[at].most for at in kept]
    table = Table(title=Text(title) if title else None, title_justify="left")
    for at, width in zip(kept, _narrowed(widths, most, on.width), strict=True):
        table.add_column(columns[at].title, width=width, overflow="fold")
    for row in shown[: host_ranges.LINES] if many else shown:
        table.add_row(Text(row[0]), Text(row[1], style(row[1])), *map(Text, row[2:]))
    on.print(table)
    if many and len(shown) > host_ranges.LINES:
        say(on, f"… and {len(shown) - host_ranges.LINES} more such rows")
    left = [
        at for at in range(len(columns)) if at not in kept and not (many and columns[at].number)
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
    for line in host_ranges.lines(pairs, len(rows), host_ranges.LINES // 2):
        say(on, line)


def _kept(columns: Sequence[Column], rows: Sequence[Row], room: int, many: bool) -> list[int]:
    """Columns that there is room for; of many hosts, none in which each is another."""
    widths = [
        min(column.most, max(map(cell_len, [column.title, *(row[at] for row in rows)])))
        for at, column in enumerate(columns)
    ]
    widths[0] = columns[0].most if many else widths[0]
    kept = [
        at
        for at, column in enumerate(columns)
        if not many
        or column.number
        or not column.rank
        or len({row[at] for row in rows}) <= host_ranges.PIECES
    ]
    while _width([widths[at] for at in kept]) > room and any(columns[at].rank for at in kept):
        kept.remove(max(kept, key=lambda at: (columns[at].rank, at)))
    return kept


def _grouped(
    rows: Sequence[Row], columns: Sequence[Column], rank: Callable[[str], int]
) -> list[Row]:
    numbers = {at for at, column in enumerate(columns) if column.number}
    cells = {row[0]: row for row in rows}
    alike = host_ranges.alike(
        (row[0], tuple("" if at in numbers else cell for at, cell in enumerate(row) if at))
        for row in rows
    )
    found = sorted(alike.items(), key=lambda one: (rank(one[0][0]), -len(one[1])))
    return [
        [
            host_ranges.counted(members),
            *(
                _span([cells[name][at] for name in members]) if at in numbers else cell
                for at, cell in enumerate(key, 1)
            ),
        ]
        for key, members in found
    ]


def _span(numbers: Sequence[str]) -> str:
    least, most = min(numbers, key=float), max(numbers, key=float)
    return least if least == most else f"{least}-{most}"


def _width(widths: Sequence[int]) -> int:
    return EDGE + sum(width + BORDER for width in widths)


def _narrowed(widths: Sequence[int], most: Sequence[int], room: int) -> list[int]:
    """No wider than they may be; then the widest give way."""
    fits = [min(pair) for pair in zip(widths, most, strict=True)]
    while _width(fits) > room and max(fits) > LEAST:
        fits[fits.index(max(fits))] -= 1
    return fits
