"""Add and remove entries of a YAML document, and leave everything else as people wrote it.

What comes out has to be read again, and compared: a document can be written in ways, such as all in
one line, in which this cannot be done line by line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fleet.documents import loading


def parse_nodes(text: str, path: Path) -> tuple[dict[str, Any], yaml.Node] | None:
    """Return data and node tree of a document; None if it has only comments.

    Args:
        text: The document.
        path: Its file, for error messages.

    Raises:
        InvalidInput: It is not YAML or not a mapping.
    """
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    if all(not line or line.startswith("#") for line in lines):
        return None
    return loading.parse_mapping(text, path)


def append_entries(text: str, path: Path, field: str, new: Mapping[str, Any]) -> str:
    """Return a document with further entries, after those that are there.

    Args:
        text: The document.
        path: Its file, for error messages.
        field: The field whose entries they are; it is added if it is not there.
        new: Key -> value.
    """
    added = yaml.safe_dump(
        dict(new), allow_unicode=True, sort_keys=False, width=1 << 20, default_flow_style=False
    ).splitlines()
    kept, (line, known) = text.splitlines(), _find_entries(text, path, field)
    indent, end = "  ", line + 1
    if known:
        indent = " " * known[0][0].start_mark.column
        end = max(_find_last_line(value) for _, value in known) + 1
    elif line >= 0:
        kept[line] = kept[line].replace(f"{field}: {{}}", f"{field}:", 1)
    else:
        kept.append(f"{field}:")
        end = len(kept)
    return _join([*kept[:end], *(f"{indent}{one}" for one in added), *kept[end:]], text)


def remove_entries(text: str, path: Path, field: str, keys: Collection[str]) -> str:
    """Return a document without some entries; comments above and below them stay.

    Args:
        text: The document.
        path: Its file, for error messages.
        field: The field whose entries they are.
        keys: Their keys.
    """
    removed = {
        number
        for key, value in _find_entries(text, path, field)[1]
        if key.value in keys
        for number in range(key.start_mark.line, _find_last_line(value) + 1)
    }
    kept = (line for number, line in enumerate(text.splitlines()) if number not in removed)
    return _join(kept, text)


def _find_entries(
    text: str, path: Path, field: str
) -> tuple[int, list[tuple[yaml.Node, yaml.Node]]]:
    """Return the line of a field, from 0, and keys and values below it; -1 without the field."""
    found = parse_nodes(text, path)
    root = found[1] if found else None
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == field:
            entries = list(value.value) if isinstance(value, yaml.MappingNode) else []
            return key.start_mark.line, entries
    return -1, []


def _find_last_line(node: yaml.Node) -> int:
    """Return the last line of a node, from 0: without the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _find_last_line(last[1] if isinstance(last, tuple) else last)
    mark = node.end_mark
    return mark.line if mark.column or mark.line == node.start_mark.line else mark.line - 1


def _join(lines: Iterable[str], former: str) -> str:
    """Return a text whose lines end as those of the former one do."""
    end = "\r\n" if "\r\n" in former else "\n"
    return "".join(f"{line}{end}" for line in lines)
