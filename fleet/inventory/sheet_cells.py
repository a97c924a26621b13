"""The cells of one sheet of a workbook, read in one pass.

openpyxl's own ways to read are two: sheets that can be edited, with an object for each cell and
either formulas or their values, or rows without a word of merged cells. Both use the parser that is
used here, which has all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from openpyxl.utils import column_index_from_string
from openpyxl.worksheet._reader import (
    FORMULA_TAG,
    INLINE_STRING,
    VALUE_TAG,
    WorkSheetParser,
)
from openpyxl.worksheet.cell_range import CellRange
from typing_extensions import override

TEXT_TAG = VALUE_TAG.removesuffix("v") + "t"
#: row and column, from 1
Position = tuple[int, int]


@dataclass(frozen=True)
class SheetCells:
    """What a sheet has.

    Attributes:
        rows: Values by row and column, without those that are blank or hidden by merged cells.
        merged: The ranges of merged cells.
        empty_formulas: Where a formula has no value.
    """

    rows: dict[int, dict[int, Any]]
    merged: Sequence[CellRange]
    empty_formulas: Sequence[Position]


class _Parser(WorkSheetParser):
    """Reads values, and takes note of the formulas that have none."""

    def __init__(self, sheet: Any, source: Any) -> None:
        book = sheet.parent
        super().__init__(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        self.empty_formulas: list[Position] = []

    @override
    def parse_cell(self, element: Element) -> dict[str, Any]:
        place = element.get("r")
        text = self._find_text(element) if place else None
        if place and text is not None:  # most cells; openpyxl's own way is many times slower
            row, self.col_counter = _parse_place(place)
            return {"row": row, "column": self.col_counter, "value": text}
        cell: dict[str, Any] = super().parse_cell(element)
        is_empty = cell["value"] is None and cell["data_type"] == "n"  # a text may be empty
        if is_empty and element.find(FORMULA_TAG) is not None:
            self.empty_formulas.append((cell["row"], cell["column"]))
        return cell

    def _find_text(self, element: Element) -> str | None:
        """Return the text of a cell with nothing else, such as fonts within it."""
        kind = element.get("t")
        if kind == "s":
            number = element.findtext(VALUE_TAG)
            return str(self.shared_strings[int(number)]) if number else None
        inline = element.find(INLINE_STRING) if kind == "inlineStr" else None
        if inline is not None and len(inline) == 1 and inline[0].tag == TEXT_TAG:
            return inline[0].text
        return None


def _parse_place(place: str) -> Position:
    """Return row and column of a cell such as B7.

    Raises:
        ValueError: There is none of this name.
    """
    letters = place.rstrip("0123456789")
    return int(place[len(letters) :]), column_index_from_string(letters)


def read_cells(sheet: Any) -> SheetCells:
    """Read a sheet.

    Args:
        sheet: A `ReadOnlyWorksheet` of a workbook with values only.
    """
    rows: dict[int, dict[int, Any]] = {}
    with sheet._get_source() as source:
        parser = _Parser(sheet, source)
        for _number, cells in parser.parse():
            for cell in cells:
                value = cell["value"]
                if value is not None and str(value).strip():
                    rows.setdefault(cell["row"], {})[cell["column"]] = value
    ranges = parser.merged_cells.mergeCell if parser.merged_cells else ()
    merged = [CellRange(one.ref) for one in ranges]
    for one in merged:
        _hide_merged_values(rows, one)
    return SheetCells(rows, merged, parser.empty_formulas)


def _hide_merged_values(rows: dict[int, dict[int, Any]], merged: CellRange) -> None:
    """Remove what no program shows: values of merged cells, except that of the first."""
    first, last = merged.min_row, merged.max_row
    # either may be large: there may be many ranges, and each may go to the end of the sheet
    height = last - first + 1
    numbers = range(first, last + 1) if height < len(rows) else sorted(rows)
    for number in [one for one in numbers if first <= one <= last and one in rows]:
        row = rows[number]
        for column in [one for one in row if merged.min_col <= one <= merged.max_col]:
            if (number, column) != (first, merged.min_col):
                del row[column]
        if not row:
            del rows[number]
