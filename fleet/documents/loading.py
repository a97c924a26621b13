"""Read YAML documents within size limits, and validate them with pydantic models."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from fleet.documents import field_errors, strict_yaml
from fleet.errors import InvalidInput
from fleet.language import _

ModelT = TypeVar("ModelT", bound=BaseModel)

#: A larger file is most likely not the file that was meant.
MAX_BYTES = 2 << 20


def is_file(path: str | Path) -> bool:
    """Check whether a path is a regular file.

    Args:
        path: Any path.

    Returns:
        False also if the name is too long or a folder cannot be entered, where
        :meth:`pathlib.Path.is_file` raises.
    """
    return os.path.isfile(path)


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a file within a size limit.

    Args:
        path: The file.
        max_bytes: Size limit in bytes.

    Raises:
        InvalidInput: The file is missing, unreadable or too large.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or error
        raise InvalidInput(
            _("{path}: cannot be read: {reason}", path=path, reason=reason)
        ) from error
    if len(content) > max_bytes:
        limit_mib = f"{max_bytes / (1 << 20):g}"
        raise InvalidInput(
            _(
                "{path}: larger than {limit_mib} MiB; is this the right file?",
                path=path,
                limit_mib=limit_mib,
            )
        )
    return content


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Read a text file in UTF-8, or in UTF-16 with a byte order mark.

    Args:
        path: The file.
        max_bytes: Size limit in bytes.

    Returns:
        Its text.

    Raises:
        InvalidInput: The file is missing, unreadable, too large or in another encoding.
    """
    content = read_bytes(path, max_bytes)
    encoding = "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            _(
                "{path}:{line}: not {encoding} ({reason}): save it as UTF-8 (in Excel: CSV UTF-8)",
                path=path,
                line=line,
                encoding=encoding.upper(),
                reason=error.reason,
            )
        ) from error


def read_mapping(path: Path, size_factor: int = 1) -> tuple[dict[str, Any], yaml.Node]:
    """Read a YAML file that contains a mapping.

    Args:
        path: The file.
        size_factor: Multiplies the limits on bytes and values, for documents such as inventories
            that may be larger than others.

    Returns:
        The mapping, and its node tree with line numbers.

    Raises:
        InvalidInput: The file is missing, unreadable, not YAML or not a mapping.
    """
    return parse_mapping(read_text(path, MAX_BYTES * size_factor), path, size_factor)


def parse_mapping(text: str, path: Path, size_factor: int = 1) -> tuple[dict[str, Any], yaml.Node]:
    """Parse a YAML text that contains a mapping.

    Args:
        text: The text.
        path: Its file, for error messages.
        size_factor: Multiplies the limit on values.

    Returns:
        The mapping, and its node tree with line numbers.

    Raises:
        InvalidInput: The text is not YAML, or not a mapping.
    """
    try:
        data, node = strict_yaml.load(text, size_factor)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = error.problem or error.context
        raise InvalidInput(
            _("{path}:{line}: not valid YAML: {problem}", path=path, line=line, problem=problem)
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidInput(
            _(
                "{path}:{line}: not valid YAML: control character (U+{character:04X})",
                path=path,
                line=line,
                character=error.character,
            )
        ) from error
    if not isinstance(data, dict) or node is None:
        raise InvalidInput(_("{path}:1: expected a mapping (`key: value` lines)", path=path))
    return data, node


def validate_document(
    model: type[ModelT],
    data: Any,
    path: Path,
    node: yaml.Node | None = None,
    extended_files: tuple[tuple[Path, yaml.Node], ...] = (),
) -> ModelT:
    """Create a model from the data of a document.

    Args:
        model: The pydantic model.
        data: Decoded YAML or JSON.
        path: The file, for error messages.
        node: The node tree of the file, for line numbers; None for JSON.
        extended_files: Files that the first one extends and their node trees, nearest first.

    Returns:
        The validated model.

    Raises:
        InvalidInput: With one line for each invalid field.
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
