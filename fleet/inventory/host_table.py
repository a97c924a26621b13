"""Hosts in a table, whatever kind of file it is: one host per row, as if it were YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fleet.documents import strict_yaml
from fleet.documents.field_errors import CellMark, describe_unknown_field, format_place
from fleet.errors import InvalidInput
from fleet.inventory import table_fields
from fleet.language import _

#: a sign of a binary file; Python takes some of them for line ends
CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
#: number sign, also in its full-width form of Chinese input methods
COMMENT_MARKS = ("#", "\uff03")
#: value of a formula with an error, which is not a comment
FORMULA_ERROR = re.compile(r"#(REF!|N/A|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|SPILL!|CALC!)")
#: name of a row with totals
TOTAL_ROW = re.compile(
    r"(?:(?:grand|sub)?[ -]?(?:total|sum|summe)|(?:zwischen|gesamt)?summe|gesamt|insgesamt|anzahl"
    r"|counta?|average|avg|mittelwert"
    r"|[合总總小共][计計]|总数|總數|汇总|彙總|数量|數量|平均)"
    r"[:： ]*[0-9]*\s*[台个台組组]?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says; "" if it is empty.
        mark: Where it is.
    """

    text: str
    mark: yaml.Mark


Row = Sequence[Cell]


def is_comment(text: str) -> bool:
    """Tell whether the first text of a row says that it is a comment.

    Args:
        text: The text.
    """
    return text.lstrip().startswith(COMMENT_MARKS) and not FORMULA_ERROR.match(text.lstrip())


def parse_header(path: Path, header: Row) -> list[str]:
    """Return the fields that the columns of a table are.

    Args:
        path: The table, for error messages.
        header: The row with their names.

    Raises:
        InvalidInput: A name is unknown or there twice, or there is no `name`.
    """
    fields: list[str] = []
    for column, cell in enumerate(header):
        field, place = table_fields.find_field(cell.text), format_place(path, cell.mark)
        if field in fields:
            raise InvalidInput(
                _("{place}: {field}: two columns have this name", place=place, field=field)
            )
        if not table_fields.is_field(field):
            raise InvalidInput(
                _(
                    "{place}: column {number} ({name}): {problem}",
                    place=place,
                    number=column + 1,
                    name=repr(cell.text[:80]),
                    problem=describe_unknown_field(cell.text, table_fields.list_names(cell.text)),
                )
            )
        fields.append(field)
    if "name" not in fields:
        place = format_place(path, header[0].mark)
        raise InvalidInput(_("{place}: the header has no column `name`", place=place))
    return fields


def build_document(
    path: Path, header: Sequence[str], rows: Iterable[Row], mark: yaml.Mark
) -> tuple[dict[str, Any], yaml.Node]:
    """Build the document that a table would be in YAML.

    Args:
        path: The table, for error messages.
        header: The fields of the columns.
        rows: The rows below the header without comments, each with a cell at least.
        mark: Where the header is.

    Returns:
        The document, and a node tree from which the place of each field can be found.

    Raises:
        InvalidInput: A row cannot be a host.
    """
    hosts: dict[str, Any] = {}
    nodes: list[tuple[yaml.Node, yaml.Node]] = []
    marks: dict[str, yaml.Mark] = {}
    for cells in rows:
        row = {field: cell for field, cell in zip(header, cells, strict=False) if cell.text}
        problem, place = _find_row_problem(row, marks)
        if problem:
            raise InvalidInput(
                _(
                    "{place}: {problem}",
                    place=format_place(path, (place or cells[0]).mark),
                    problem=problem,
                )
            )
        name = row.pop("name")
        marks[name.text] = name.mark
        hosts[name.text] = _convert_row(row)
        nodes.append((_make_scalar_node(name), _make_host_node(row, name.mark)))
    tree = yaml.MappingNode("", nodes, mark, None)
    root = [(_make_scalar_node(Cell("hosts", mark)), tree)]
    return {"hosts": hosts}, yaml.MappingNode("", root, mark)


def _find_row_problem(
    row: Mapping[str, Cell], marks: Mapping[str, yaml.Mark]
) -> tuple[str, Cell | None]:
    """Explain why a row is not a host, and in which cell; "" if it may be one."""
    for field, cell in row.items():
        if FORMULA_ERROR.match(cell.text):
            problem = _(
                "{field}: the value is the error of a formula ({text}): correct the spreadsheet",
                field=field,
                text=cell.text,
            )
            return problem, cell
    if "name" not in row:
        return _("name: missing"), None
    cell = row["name"]
    name = cell.text
    if name.casefold() == "name" or table_fields.find_field(name) == "name":
        return _("the header is repeated: keep one table with one header"), cell
    if "ssh_hostname" not in row and TOTAL_ROW.fullmatch(name):
        problem = _(
            "name: {name} looks like a row of totals: remove it, or put # before it", name=name
        )
        return problem, cell
    if name in marks:
        return _describe_repeated_name(name, marks[name]), cell
    return "", None


def _describe_repeated_name(name: str, first: yaml.Mark) -> str:
    if isinstance(first, CellMark):
        return _("name: {name} is defined twice, first in {cell}", name=name, cell=first.cell)
    return _(
        "name: {name} is defined twice, first in line {number}", name=name, number=first.line + 1
    )


def _convert_row(row: Mapping[str, Cell]) -> dict[str, Any]:
    host: dict[str, Any] = {}
    for field, cell in row.items():
        holder = host.setdefault("data", {}) if field.startswith("data.") else host
        holder[field.removeprefix("data.")] = table_fields.convert_cell(field, cell.text)
    return host


def _make_host_node(row: Mapping[str, Cell], mark: yaml.Mark) -> yaml.MappingNode:
    pairs: list[tuple[yaml.Node, yaml.Node]] = []
    data: list[tuple[yaml.Node, yaml.Node]] = []
    for field, cell in row.items():
        key = _make_scalar_node(Cell(field.removeprefix("data."), cell.mark))
        (data if field.startswith("data.") else pairs).append((key, _make_scalar_node(cell)))
    if data:
        first = data[0][0].start_mark
        pairs.append((_make_scalar_node(Cell("data", first)), yaml.MappingNode("", data, first)))
    return yaml.MappingNode("", pairs, mark)


def _make_scalar_node(cell: Cell) -> yaml.ScalarNode:
    return yaml.ScalarNode(strict_yaml.STRING_TAG, cell.text, cell.mark)
