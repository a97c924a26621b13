"""A fleet in a table: CSV as Excel and LibreOffice write it, one host a line."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import yaml

from fleet.documents import loading, strict_yaml
from fleet.documents.field_errors import describe_unknown_field
from fleet.errors import InvalidInput
from fleet.inventory.host_fields import HostData, parse_value

#: they come of a wrong file, and some of them Python takes for ends of lines
CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
#: also where a spreadsheet put the cell in quotes, or an input method was on
COMMENT_MARKS = ("#", "\uff03")
#: what a spreadsheet writes where a formula has no value: no comment
FORMULA_ERROR = re.compile(r"#(REF!|N/A|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|SPILL!|CALC!)")
TOTAL_ROW = re.compile(
    r"(?:(?:grand|sub)?[ -]?(?:total|sum|summe)|(?:zwischen|gesamt)?summe|gesamt|insgesamt|anzahl"
    r"|counta?|average|avg|mittelwert"
    r"|[合总總小共][计計]|总数|總數|汇总|彙總|数量|數量|平均)"
    r"[:： ]*[0-9]*\s*[台个台組组]?",
    re.IGNORECASE,
)
#: by which a table tells Excel what splits it
SEPARATOR_LINE = re.compile(r"sep=([,;\t])", re.IGNORECASE)


def read_hosts(path: Path, size_factor: int = 1) -> tuple[dict[str, Any], yaml.Node]:
    """The hosts of a table, in the shape of a YAML inventory and with a node tree of its lines.

    The first line names the fields: `name`, those of a host, and `data.X`. Values are split by
    what splits the names (`,`, `;` or a tab), groups by blanks; lines whose first value begins
    with # are not read.

    :param times: as :func:`fleet.documents.loading.read`
    :raises InvalidInput: naming file and line
    """
    text = loading.read_text(path, loading.MAX_BYTES * size_factor).removeprefix("\ufeff")
    lines = [
        (number, line)
        for number, line in enumerate(re.split("\r\n|\r|\n", text), 1)
        if line.strip() and not _is_comment(line)
    ]
    if lines and SEPARATOR_LINE.fullmatch(lines[0][1].strip('" ')):
        del lines[0]
    if not lines:
        raise InvalidInput(f"{path}:1: no line that names the fields (name,ssh_hostname,…)")
    header, separator = _parse_header(path, *lines[0])
    hosts: dict[str, Any] = {}
    rows: list[tuple[yaml.Node, yaml.Node]] = []
    seen: dict[str, int] = {}
    for number, line in lines[1:]:
        values = _split_line(f"{path}:{number}", line, separator)
        if not any(values) or _is_comment(values[0]):
            continue
        if any(values[len(header) :]):
            raise InvalidInput(
                f"{path}:{number}: {len(values)} values for {len(header)} fields: "
                f"a value with {separator!r} in it is put in quotes"
            )
        row = {field: value for field, value in zip(header, values, strict=False) if value}
        name = row.pop("name", "")
        if problem := _find_row_problem(name, row, seen):
            raise InvalidInput(f"{path}:{number}: {problem}")
        seen[name] = number
        hosts[name] = _convert_row(row)
        rows.append((_make_scalar_node(name, number), _make_mapping_node(hosts[name], number)))
    first = lines[0][0]
    tree = yaml.MappingNode("", rows, _make_mark(first), None)
    return {"hosts": hosts}, yaml.MappingNode(
        "", [(_make_scalar_node("hosts", first), tree)], _make_mark(first)
    )


def _is_comment(text: str) -> bool:
    return text.lstrip().startswith(COMMENT_MARKS) and not FORMULA_ERROR.match(text.lstrip())


def _find_row_problem(name: str, row: dict[str, str], seen: dict[str, int]) -> str:
    """Why a row is no host; "" where it may be one."""
    if wrong := next(
        (f for f, text in {"name": name, **row}.items() if FORMULA_ERROR.match(text)), ""
    ):
        return f"{wrong}: a formula of the spreadsheet has no value here"
    if not name:
        return "name: this field is missing"
    if name.casefold() == "name":
        return "the names of the fields again: write one table, with one such line"
    if "ssh_hostname" not in row and TOTAL_ROW.fullmatch(name):
        return f"name: {name}: is this the total? Put # before it, or leave it out"
    if name in seen:
        return f"name: {name} is given twice, first in line {seen[name]}"
    return ""


def _parse_header(path: Path, number: int, line: str) -> tuple[list[str], str]:
    separator = max(",;\t", key=line.count)
    header = _split_line(f"{path}:{number}", line, separator)
    while header and not header[-1]:
        header.pop()
    for column, field in enumerate(header):
        if field in header[:column]:
            raise InvalidInput(f"{path}:{number}: {field}: two columns have this name")
        known = field == "name" or (field != "data" and field in HostData.model_fields)
        if not known and not re.fullmatch(r"data\.[A-Za-z]\w*", field):
            told = describe_unknown_field(
                field, [*sorted({*HostData.model_fields, "name"} - {"data"}), "data.X"]
            )
            raise InvalidInput(f"{path}:{number}: column {column + 1} ({field[:80]!r}): {told}")
    if "name" not in header:
        raise InvalidInput(f"{path}:{number}: no column `name`: this line names the fields")
    return header, separator


def _split_line(place: str, line: str, separator: str) -> list[str]:
    """The values of one line: by itself, so that a lost quote cannot swallow the lines after it."""
    if CONTROL_CHARACTER.search(line):
        raise InvalidInput(f"{place}: a control character: is this a table?")
    try:
        rows = csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True)
        return [value.strip() for value in next(rows)]
    except csv.Error as error:
        raise InvalidInput(f"{place}: quotes that do not fit together ({error})") from error


def _convert_row(row: dict[str, str]) -> dict[str, Any]:
    host: dict[str, Any] = {}
    for field, text in row.items():
        if field.startswith("data."):
            host.setdefault("data", {})[field[5:]] = parse_value(field, text)
        else:
            host[field] = text.split() if field == "groups" else parse_value(field, text)
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
