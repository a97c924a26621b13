"""Hosts in a CSV table, as Excel, WPS and LibreOffice save it: one host per line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fleet.documents import loading, table_encoding
from fleet.errors import InvalidInput
from fleet.inventory import host_table
from fleet.inventory.host_table import CONTROL_CHARACTER, Cell
from fleet.language import _

#: separators, also the full-width ones of Chinese input methods
SEPARATORS = ",;\t\uff0c\uff1b"
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
    content = loading.read_bytes(path, loading.MAX_BYTES * size_factor)
    lines = _number_lines(table_encoding.decode_table(content, path))
    if not lines:
        raise InvalidInput(
            _("{path}:1: no header: name the fields first (name,ssh_hostname,…)", path=path)
        )
    number, line = lines[0]
    separator = max(SEPARATORS, key=line.count)
    cells = _parse_line(path, number, line, separator)
    while len(cells) > 1 and not cells[-1].text:
        cells.pop()
    header = host_table.parse_header(path, cells)
    rows = _parse_rows(path, lines[1:], len(header), separator)
    return host_table.build_document(path, header, rows, cells[0].mark)


def _number_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines with their numbers, without comments, blank lines and the separator line."""
    lines = [
        (number, line)
        for number, line in enumerate(re.split("\r\n|\r|\n", text), 1)
        if line.strip() and not host_table.is_comment(line)
    ]
    if lines and SEPARATOR_LINE.fullmatch(lines[0][1].strip('" ')):
        del lines[0]
    return lines


def _parse_rows(
    path: Path, lines: list[tuple[int, str]], width: int, separator: str
) -> Iterator[list[Cell]]:
    """Yield the cells of each line that is not a comment and not empty."""
    for number, line in lines:
        cells = _parse_line(path, number, line, separator)
        if not any(cell.text for cell in cells) or host_table.is_comment(cells[0].text):
            continue
        if any(cell.text for cell in cells[width:]):
            raise InvalidInput(
                _(
                    "{path}:{line}: the row has {count} values, but the header has {width} "
                    "columns; quote values that contain {separator}",
                    path=path,
                    line=number,
                    count=len(cells),
                    width=width,
                    separator=repr(separator),
                )
            )
        yield cells


def _parse_line(path: Path, number: int, line: str, separator: str) -> list[Cell]:
    """Split a single line, so that a missing quote cannot swallow the lines after it."""
    if CONTROL_CHARACTER.search(line):
        raise InvalidInput(
            _(
                "{path}:{line}: a control character: is this file a CSV table?",
                path=path,
                line=number,
            )
        )
    mark = yaml.Mark("", 0, number - 1, 0, None, 0)
    try:
        rows = csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True)
        return [Cell(value.strip(), mark) for value in next(rows)]
    except csv.Error as error:
        raise InvalidInput(
            _("{path}:{line}: unbalanced quotes ({error})", path=path, line=number, error=error)
        ) from error
