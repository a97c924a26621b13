"""Hosts in a workbook of Excel or WPS (.xlsx), without a detour over CSV: one host per row.

openpyxl reads it, whole and not row by row, because only then it tells which cells are merged. It
calculates nothing: what a formula comes to is what the program that saved the file has left there.
"""

from __future__ import annotations

import datetime
import logging
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import yaml

from fleet.documents import loading
from fleet.documents.field_errors import CellMark
from fleet.errors import InvalidInput
from fleet.inventory import host_table, table_fields
from fleet.inventory.host_fields import LIST_FIELDS
from fleet.inventory.host_table import Cell
from fleet.language import _
from fleet.text import sanitize, word_lists

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

#: pyinfra's logger, whose lines both commands print
log = logging.getLogger("pyinfra")

#: how much larger than a file its content may be; that of tables of hosts is some five times
UNPACKED_FACTOR = 4
#: rows above the header, such as titles
MAX_TITLE_ROWS = 20
#: first bytes of a compound file: an .xls, or any encrypted document
COMPOUND_FILE = bytes.fromhex("d0cf11e0a1b11ae1")
ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
FORMULA_ELEMENT = re.compile(rb"<(\w+:)?f[ />]")
#: what openpyxl raises for files that are not what they seem
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    ParseError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)

Position = tuple[int, int]


def read_hosts(path: Path, size_factor: int = 1) -> tuple[dict[str, Any], yaml.Node]:
    """Read the first visible sheet that has a header as if it were a YAML inventory.

    Args:
        path: The workbook.
        size_factor: Bound of its size, relative to other files (default: 1).

    Returns:
        The inventory, and a node tree from which the cell of each field can be found.

    Raises:
        InvalidInput: The workbook is invalid; the message names file, sheet and cell.
    """
    limit = loading.MAX_BYTES * size_factor
    content = loading.read_bytes(path, limit)
    has_formulas = _check_archive(path, content, limit * UNPACKED_FACTOR)
    workbook = _open_workbook(path, content)
    sheets = [
        _Sheet(path, sheet) for sheet in workbook.worksheets if sheet.sheet_state == "visible"
    ]
    with_header = [sheet for sheet in sheets if sheet.header_row]
    if not with_header:
        names = word_lists.join_words(sheet.title for sheet in sheets)
        raise InvalidInput(
            _(
                "{path}: no header in the visible sheets ({names}): name the fields in one row "
                "(name, ssh_hostname, …)",
                path=path,
                names=names,
            )
        )
    if others := word_lists.join_words(sheet.title for sheet in with_header[1:]):
        message = _(
            "{path}: hosts are read from the sheet {sheet}, and not from {others}",
            path=path,
            sheet=with_header[0].title,
            others=others,
        )
        log.warning(message)
    chosen = with_header[0]
    if has_formulas:
        formulas = _open_workbook(path, content, as_formulas=True)
        chosen.check_formulas(formulas[chosen.name])
    return chosen.read_document()


def _check_archive(path: Path, content: bytes, max_bytes: int) -> bool:
    """Check that a file is a workbook of bearable size, and tell whether it has formulas.

    Raises:
        InvalidInput: It is not.
    """
    if content.startswith(COMPOUND_FILE):
        if ENCRYPTED_STREAM in content:
            problem = _("it has a password: save it without one")
        else:
            problem = _("an .xls file of old Excel: save it as .xlsx")
        raise InvalidInput(_("{path}: {problem}", path=path, problem=problem))
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            has_formulas = size <= max_bytes and any(
                FORMULA_ELEMENT.search(archive.read(member))
                for member in members
                if member.filename.startswith("xl/worksheets/")
            )
    except DAMAGE as error:
        raise _build_damage_error(path, error) from error
    if size > max_bytes:
        raise InvalidInput(
            _(
                "{path}: unpacked larger than {limit} MiB; is this the right file?",
                path=path,
                limit=max_bytes >> 20,
            )
        )
    return has_formulas


def _build_damage_error(path: Path, error: Exception) -> InvalidInput:
    return InvalidInput(
        _(
            "{path}: not a readable .xlsx workbook ({reason}): open it in Excel or WPS, and save "
            "it as .xlsx again",
            path=path,
            reason=sanitize.escape_line(str(error) or type(error).__name__)[:200],
        )
    )


def _open_workbook(path: Path, content: bytes, *, as_formulas: bool = False) -> Workbook:
    from openpyxl import load_workbook  # imported only for a workbook, because it is slow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions that it leaves out
            return load_workbook(BytesIO(content), data_only=not as_formulas, keep_links=False)
    except DAMAGE as error:
        raise _build_damage_error(path, error) from error


class _Sheet:
    """One sheet of a workbook: the values of its cells by row and column, from 1."""

    def __init__(self, path: Path, sheet: Worksheet) -> None:
        self.path, self.name, self._sheet = path, sheet.title, sheet
        self.title = _quote_title(sheet.title)
        self._rows: dict[int, dict[int, Any]] = {}
        for cell in _list_cells(sheet):
            if cell.value is not None and str(cell.value).strip():
                self._rows.setdefault(cell.row, {})[cell.column] = cell.value
        self.header_row = self._find_header()

    def _find_header(self) -> int:
        """Return the first row that names the column of host names; 0 if there is none."""
        for row in sorted(self._rows)[:MAX_TITLE_ROWS]:
            for value in self._rows[row].values():
                if table_fields.find_field(str(value).strip()) == "name":
                    return row
        return 0

    def check_formulas(self, formulas: Worksheet) -> None:
        """Check that every formula has a value.

        Args:
            formulas: The same sheet with formulas in place of values.

        Raises:
            InvalidInput: One has none.
        """
        for cell in _list_cells(formulas):
            value = self._sheet.cell(cell.row, cell.column)
            # an empty text is a value, but has its type only
            if cell.data_type == "f" and value.value is None and value.data_type == "n":
                raise self._build_error(
                    (cell.row, cell.column),
                    _(
                        "a formula without a value: save the file in Excel or WPS, which "
                        "calculate it, or put the value there"
                    ),
                )

    def read_document(self) -> tuple[dict[str, Any], yaml.Node]:
        """Return the hosts of the sheet as a document, and its node tree.

        Raises:
            InvalidInput: The sheet is invalid.
        """
        self._fill_merged_cells()
        columns = sorted(self._rows[self.header_row])
        header = [self._make_cell((self.header_row, column)) for column in columns]
        fields = host_table.parse_header(self.path, header)
        rows = self._list_rows(dict(zip(columns, fields, strict=True)))
        return host_table.build_document(self.path, fields, rows, header[0].mark)

    def _fill_merged_cells(self) -> None:
        """Give the value of merged cells to each row of them.

        Raises:
            InvalidInput: Cells of several columns are merged.
        """
        for merged in self._sheet.merged_cells.ranges:
            first, column = merged.min_row, merged.min_col
            row = self._rows.get(first, {})
            if merged.max_row < self.header_row or column not in row or _is_comment_row(row):
                continue
            if merged.max_col != column or first <= self.header_row:
                raise self._build_error(
                    (first, column),
                    _("merged with other columns or with the header: split the cells"),
                )
            for number in range(first + 1, merged.max_row + 1):
                if number in self._rows:  # a row of its own, and not only the end of the merging
                    self._rows[number][column] = row[column]

    def _list_rows(self, fields: dict[int, str]) -> Iterator[list[Cell]]:
        """Yield the cells of each row below the header that is not a comment and not empty."""
        for number in sorted(self._rows):
            row = self._rows[number]
            if number <= self.header_row or _is_comment_row(row):
                continue
            if outside := sorted(row.keys() - fields.keys()):
                raise self._build_error(
                    (number, outside[0]),
                    _(
                        "this column has no name in the header: name it (data.X for data of "
                        "your own), or empty the cell"
                    ),
                )
            yield [self._make_cell((number, column), field) for column, field in fields.items()]

    def _make_cell(self, position: Position, field: str = "") -> Cell:
        """Return a cell with its text.

        Raises:
            InvalidInput: Its value cannot be meant.
        """
        row, column = position
        value = self._rows.get(row, {}).get(column)
        text = "" if value is None else format_value(value).strip()
        problem = ""
        if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)) and not (
            field.startswith("data.")
        ):
            problem = _(
                "{field}: Excel has made a date or time of it ({text}): format the cell as text, "
                "and type the value again",
                field=field,
                text=text,
            )
        elif host_table.CONTROL_CHARACTER.search(text):
            problem = _("{field}: a control character: type the value again", field=field)
        elif "\n" in text and field and field not in LIST_FIELDS:
            problem = _("{field}: a line break in the cell: remove it", field=field)
        if problem:
            raise self._build_error(position, problem)
        return Cell(text, CellMark(self._name_cell(position)))

    def _build_error(self, position: Position, problem: str) -> InvalidInput:
        cell = self._name_cell(position)
        return InvalidInput(
            _("{path}: {cell}: {problem}", path=self.path, cell=cell, problem=problem)
        )

    def _name_cell(self, position: Position) -> str:
        from openpyxl.utils import get_column_letter

        row, column = position
        return f"{self.title}!{get_column_letter(column)}{row}"


def format_value(value: Any) -> str:
    """Format the value of a cell as a person would type it.

    Args:
        value: A text, number, boolean, date or time.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime.datetime):
        at_midnight = value.time() == datetime.time()
        return (value.date() if at_midnight else value).isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)


def _is_comment_row(row: dict[int, Any]) -> bool:
    return host_table.is_comment(str(row[min(row)]))


def _list_cells(sheet: Worksheet) -> Iterable[Any]:
    """Return the cells that a sheet has.

    Its public methods make all cells up to the last row and column, which may be the millionth.
    """
    return list(sheet._cells.values())


def _quote_title(title: str) -> str:
    """Write the name of a sheet as a reference to a cell has it."""
    title = sanitize.escape_line(title)
    return title if re.fullmatch(r"\w+", title) else "'" + title.replace("'", "''") + "'"
