"""YAML documents: read within bounds, and validated."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from fleet.documents import field_errors, strict_yaml
from fleet.errors import InvalidInput

M = TypeVar("M", bound=BaseModel)

#: bytes; more is another file than the one that was meant
MAX_BYTES = 2 << 20


def is_file(path: str | Path) -> bool:
    """False also where a name is too long, or a folder may not be entered (Path raises)."""
    return os.path.isfile(path)


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file in UTF-8, or in UTF-16 that says so in its first bytes.

    :raises InvalidInput: the file is missing, unreadable, too large or of another encoding
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", "") or error
        raise InvalidInput(f"{path}: cannot be read: {told}") from error
    if len(content) > max_bytes:
        raise InvalidInput(f"{path}: larger than {max_bytes} bytes, it cannot be what is meant")
    encoding = "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"{path}:{line}: not {encoding.upper()} ({error.reason}): save it as UTF-8 "
            "(in Excel: CSV UTF-8)"
        ) from error


def read_mapping(path: Path, size_factor: int = 1) -> tuple[dict[str, Any], yaml.Node]:
    """The mapping in a YAML file, and its node tree for line numbers.

    :param times: as large as this the file may be, by what others may be
    :raises InvalidInput: the file is missing, unreadable, not YAML or not a mapping
    """
    text = read_text(path, MAX_BYTES * size_factor)
    try:
        data, node = strict_yaml.load(text, size_factor)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = error.problem or error.context
        raise InvalidInput(f"{path}:{line}: not valid YAML: {problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidInput(
            f"{path}:{line}: not valid YAML: a control character (U+{error.character:04X})"
        ) from error
    if not isinstance(data, dict) or node is None:
        raise InvalidInput(f"{path}:1: a mapping is expected (`key: value` lines)")
    return data, node


def validate_document(
    model: type[M],
    data: Any,
    path: Path,
    node: yaml.Node | None = None,
    extended_files: tuple[tuple[Path, yaml.Node], ...] = (),
) -> M:
    """``data`` as a ``model``.

    :param parents: files that the first one extends, nearest first
    :raises InvalidInput: with one line for each wrong field
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        files = ((path, node), *extended_files) if node is not None else ()
        lines = [
            field_errors.format_error(model, data, problem, path, files)
            for problem in error.errors()
        ]
        raise InvalidInput("\n".join(lines)) from error
