"""A table with one line a row: what has no room is left out whole, and nothing is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.language import _, english
from fleet.text import sanitize
from mlufleet.report.console import print_line

#: blanks between two columns
GAP = 2
#: share of the room that the first column has at most, if its cells have shorter texts
FIRST_COLUMN_SHARE = 0.55
#: columns of this and higher ranks go before the first column has a shorter text
EXTRA_RANK = 3

#: texts of a cell, the longest first: the first one that has room is shown
Cell = Sequence[str]
CompactRow = Sequence[Cell]


@dataclass(frozen=True)
class CompactColumn:
    """A column of a table.

    Attributes:
        title: Its header, in English.
        drop_rank: Columns of the highest rank are left out first if there is no room; those of
            rank 0 stay.
        is_numeric: Its cells are aligned to the right.
    """

    title: str
    drop_rank: int = 0
    is_numeric: bool = False


def print_compact(
    console: Console,
    columns: Sequence[CompactColumn],
    rows: Sequence[CompactRow],
    style: Callable[[str], str],
    *,
    is_wide: bool = False,
) -> bool:
    """Print a line for each row.

    Args:
        console: Where to print.
        columns: The first one has the hosts, the second one what the style depends on.
        rows: Rows of cells.
        style: Returns the style of a cell of the second column, by its English text.
        is_wide: All columns with their longest texts, however wide the terminal is.

    Returns:
        Whether every column has been printed with its longest texts.
    """
    styles = [style(english(row[1][0])) for row in rows]
    titles = [_(column.title) for column in columns]
    cells = [[list(map(_clean, cell)) for cell in row] for row in rows]
    filled = [index for index in range(len(columns)) if any(row[index][0] for row in cells)]
    longest = _list_widths(filled, titles, cells, max)
    room = _line_width(longest.values()) if is_wide else console.width
    widths = _fit_widths(columns, longest, _list_widths(filled, titles, cells, min), room)
    widths[0] = min(widths[0], _find_shown_width(titles[0], [row[0] for row in cells], widths[0]))
    table = _make_table(columns, titles, widths)
    for row, color in zip(cells, styles, strict=True):
        table.add_row(
            *(
                Text(_choose_text(row[index], width), color if index == 1 else "")
                for index, width in widths.items()
            )
        )
    console.width = max(room, console.width)  # lines beyond the terminal's edge are not folded
    console.print(table)
    return widths == longest


def print_hint_of_columns(console: Console) -> None:
    """Print how to see the columns and texts that had no room.

    Args:
        console: Where to print.
    """
    print_line(console, _("all columns: `--wide`"))


def _make_table(
    columns: Sequence[CompactColumn], titles: Sequence[str], widths: dict[int, int]
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for index, width in widths.items():
        table.add_column(titles[index], width=width, overflow="fold")
        table.columns[-1].justify = "right" if columns[index].is_numeric else "left"
    return table


def _clean(text: str) -> str:
    """Return a text of which each character has the width that it seems to have."""
    return sanitize.escape_line(text).replace("\t", " ")


def _choose_text(cell: Cell, width: int) -> str:
    return next((text for text in cell if cell_len(text) <= width), cell[-1])


def _find_shown_width(title: str, cells: Sequence[Cell], width: int) -> int:
    """Return the cells that a column of some width needs for what it shows."""
    return max(cell_len(text) for text in (title, *(_choose_text(cell, width) for cell in cells)))


def _list_widths(
    filled: Sequence[int],
    titles: Sequence[str],
    rows: Sequence[CompactRow],
    choose: Callable[[list[int]], int],
) -> dict[int, int]:
    """Return the cells that each filled column needs for one of the texts of each row."""
    return {
        index: max(
            cell_len(titles[index]),
            *(choose([cell_len(text) for text in row[index]]) for row in rows),
        )
        for index in filled
    }


def _fit_widths(
    columns: Sequence[CompactColumn], longest: dict[int, int], least: dict[int, int], room: int
) -> dict[int, int]:
    """Return the widths of the columns that fit.

    Those that are extra go first, then the first column gives way, then the others go.
    """
    wanted = {**longest, 0: min(longest[0], max(least[0], int(room * FIRST_COLUMN_SHARE)))}
    kept = {**least, 0: wanted[0]}
    while (excess := _line_width(kept.values()) - room) > 0:
        index = max(kept, key=lambda index: (columns[index].drop_rank, index))
        rank = columns[index].drop_rank
        if (kept[0] > least[0] and rank < EXTRA_RANK) or not rank:
            kept[0] = max(kept[0] - excess, least[0] if rank else 1)
            if not rank:
                break
        else:
            del kept[index]
    for index in kept:
        spare = room - _line_width(kept.values())
        kept[index] += max(0, min(spare, wanted[index] - kept[index]))
    return kept


def _line_width(widths: Iterable[int]) -> int:
    numbers = list(widths)
    return sum(numbers) + GAP * (len(numbers) - 1)
