"""Hosts in a CSV table, as Excel and LibreOffice save it: one host per line."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import yaml

from fleet.documents import loading, strict_yaml
from fleet.documents.field_errors import describe_unknown_field
from fleet.errors import InvalidInput
from fleet.inventory.host_fields import LIST_FIELDS, HostData, parse_value

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
#: a first line that tells Excel the separator
SEPARATOR_LINE = re.compile(r"sep=([,;\t])", re.IGNORECASE)


def read_hosts(path: Path, size_factor: int = 1) -> tuple[dict[str, Any], yaml.Node]:
    """Read a table as if it were a YAML inventory.

    The first line names the fields: `name`, fields of a host, and `data.X`. Its separator (`,`, `;`
    or a tab) is that of the table; groups are separated by blanks. Lines that begin with # are
    ignored, and so are empty cells.

    Args:
        path: the table.
        size_factor: bound of its size, relative to other files (default: 1).

    Returns:
        The inventory, and a node tree from which the line of each field can be found.

    Raises:
        InvalidInput: the table is invalid; the message names file and line.
    """
    lines = _number_lines(loading.read_text(path, loading.MAX_BYTES * size_factor))
    if not lines:
        raise InvalidInput(f"{path}:1: no header: name the fields first (name,ssh_hostname,…)")
    header, separator = _parse_header(path, *lines[0])
    hosts: dict[str, Any] = {}
    rows: list[tuple[yaml.Node, yaml.Node]] = []
    numbers: dict[str, int] = {}
    for number, line in lines[1:]:
        place = f"{path}:{number}"
        row = _parse_row(place, line, header, separator)
        if row is None:
            continue
        name = row.pop("name", "")
        if problem := _find_row_problem(name, row, numbers):
            raise InvalidInput(f"{place}: {problem}")
        numbers[name] = number
        hosts[name] = _convert_row(row)
        rows.append((_make_scalar_node(name, number), _make_mapping_node(hosts[name], number)))
    first = lines[0][0]
    tree = yaml.MappingNode("", rows, _make_mark(first), None)
    root = [(_make_scalar_node("hosts", first), tree)]
    return {"hosts": hosts}, yaml.MappingNode("", root, _make_mark(first))


def _number_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines with their numbers, without comments, blank lines and the separator line."""
    lines = [
        (number, line)
        for number, line in enumerate(re.split("\r\n|\r|\n", text.removeprefix("\ufeff")), 1)
        if line.strip() and not _is_comment(line)
    ]
    if lines and SEPARATOR_LINE.fullmatch(lines[0][1].strip('" ')):
        del lines[0]
    return lines


def _is_comment(text: str) -> bool:
    return text.lstrip().startswith(COMMENT_MARKS) and not FORMULA_ERROR.match(text.lstrip())


def _parse_row(place: str, line: str, header: list[str], separator: str) -> dict[str, str] | None:
    """Return the cells of a line that are not empty, or None if the line is ignored."""
    values = _split_line(place, line, separator)
    if not any(values) or _is_comment(values[0]):
        return None
    if any(values[len(header) :]):
        raise InvalidInput(
            f"{place}: the row has {len(values)} values, but the header has {len(header)} columns; "
            f"quote values that contain {separator!r}"
        )
    return {field: value for field, value in zip(header, values, strict=False) if value}


def _find_row_problem(name: str, row: dict[str, str], numbers: dict[str, int]) -> str:
    """Explain why a row is not a host; "" if it may be one."""
    for field, text in {"name": name, **row}.items():
        if FORMULA_ERROR.match(text):
            return f"{field}: the value is the error of a formula ({text}): correct the spreadsheet"
    if not name:
        return "name: missing"
    if name.casefold() == "name":
        return "the header is repeated: keep one table with one header"
    if "ssh_hostname" not in row and TOTAL_ROW.fullmatch(name):
        return f"name: {name} looks like a row of totals: remove it, or put # before it"
    if name in numbers:
        return f"name: {name} is defined twice, first in line {numbers[name]}"
    return ""


def _parse_header(path: Path, number: int, line: str) -> tuple[list[str], str]:
    separator = max(",;\t", key=line.count)
    header = _split_line(f"{path}:{number}", line, separator)
    while header and not header[-1]:
        header.pop()
    for column, field in enumerate(header):
        if field in header[:column]:
            raise InvalidInput(f"{path}:{number}: {field}: two columns have this name")
        is_field = field == "name" or (field != "data" and field in HostData.model_fields)
        if not is_field and not re.fullmatch(r"data\.[A-Za-z]\w*", field):
            fields = [*sorted({*HostData.model_fields, "name"} - {"data"}), "data.X"]
            problem = describe_unknown_field(field, fields)
            raise InvalidInput(f"{path}:{number}: column {column + 1} ({field[:80]!r}): {problem}")
    if "name" not in header:
        raise InvalidInput(f"{path}:{number}: the header has no column `name`")
    return header, separator


def _split_line(place: str, line: str, separator: str) -> list[str]:
    """Split a single line, so that a missing quote cannot swallow the lines after it."""
    if CONTROL_CHARACTER.search(line):
        raise InvalidInput(f"{place}: a control character: is this file a CSV table?")
    try:
        rows = csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True)
        return [value.strip() for value in next(rows)]
    except csv.Error as error:
        raise InvalidInput(f"{place}: unbalanced quotes ({error})") from error


def _convert_row(row: dict[str, str]) -> dict[str, Any]:
    host: dict[str, Any] = {}
    for field, text in row.items():
        if field.startswith("data."):
            host.setdefault("data", {})[field[5:]] = parse_value(field, text)
        else:
            host[field] = text.split() if field in LIST_FIELDS else parse_value(field, text)
    return host


def _make_mapping_node(host: dict[str, Any], number: int) -> yaml.MappingNode:
    pairs = [
        (
            _make_scalar_node(k, number),
            _make_mapping_node(v, number)
            if isinstance(v, dict)
            else _make_scalar_node(str(v), number),
        )
        for k, v in host.items()
    ]
    return yaml.MappingNode("", pairs, _make_mark(number))


def _make_scalar_node(text: str, number: int) -> yaml.ScalarNode:
    return yaml.ScalarNode(strict_yaml.STRING_TAG, text, _make_mark(number))


def _make_mark(number: int) -> Any:
    return yaml.Mark("", 0, number - 1, 0, None, 0)
