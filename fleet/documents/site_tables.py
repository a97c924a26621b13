"""Tables of the tool (systems, compatibility, validation) with the rows that a site adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from fleet.documents import loading
from fleet.documents.types import Model

Table = TypeVar("Table", bound=Model)


def load_table(model: type[Table], files: Iterable[Path], keys: Mapping[str, str]) -> Table:
    """Return the table of one or more files.

    Args:
        model: The model of the table.
        files: In order of precedence: rows of a file come before those of the next one, and replace
            those with the same key.
        keys: For each list of the table, the field that identifies a row.

    Raises:
        InvalidInput: A file does not match the model.
    """
    absolute = tuple(path.absolute() for path in files)
    table: Table = _load_files(model, absolute, tuple(keys.items()))
    return table


@lru_cache
def _load_files(
    model: type[Table], files: tuple[Path, ...], keys: tuple[tuple[str, str], ...]
) -> Table:
    data, node = loading.read_mapping(files[0])
    for path in files[1:]:
        own, _ = loading.read_mapping(path)
        data = _add_rows(data, own, dict(keys))
    return loading.validate_document(model, data, files[0], node)


def _add_rows(site: dict[str, Any], own: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    """Return the site's table with the rows of the tool's own that it does not replace."""
    table = {**own, **site}
    for field, key in keys.items():
        rows = site.get(field, [])
        if not isinstance(rows, list):
            continue
        taken = [row.get(key) for row in rows if isinstance(row, dict)]
        table[field] = [*rows, *(row for row in own[field] if row.get(key) not in taken)]
    for field, value in own.items():
        if isinstance(value, dict) and isinstance(site.get(field), dict):
            table[field] = {**value, **site[field]}
    return table
