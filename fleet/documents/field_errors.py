"""Turn pydantic's errors into "file:line: field: what is wrong"."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from fleet.documents import strict_yaml, type_words
from fleet.language import _
from fleet.text import suggestions, word_lists

#: Part of a location that means the error concerns a mapping's key, not its value.
KEY_MARKER = "[key]"
#: The path of keys and indexes to a field.
Location = tuple[str | int, ...]


class CellMark(yaml.Mark):
    """The place of a value in a workbook, where a line is not enough.

    Attributes:
        cell: Sheet and cell, such as `Sheet1!C7`.
    """

    def __init__(self, cell: str) -> None:
        """Create a mark.

        Args:
            cell: Sheet and cell.
        """
        super().__init__("", 0, 0, 0, None, 0)
        self.cell = cell


def format_place(path: Path, mark: yaml.Mark) -> str:
    """Format a place as error messages begin with it: "file:line", or "file: sheet!cell".

    Args:
        path: The file.
        mark: The place in it.
    """
    return f"{path}: {mark.cell}" if isinstance(mark, CellMark) else f"{path}:{mark.line + 1}"


def find_place(path: Path, node: yaml.Node, location: Location) -> str:
    """Find the place of a field, or of the nearest enclosing field if it is absent.

    Args:
        path: The file.
        node: Root of the document.
        location: The field.
    """
    return format_place(path, _walk(node, location)[1])


def find_line(node: yaml.Node, location: Location) -> int:
    """Find the line of a field.

    Args:
        node: Root of the document.
        location: The field.

    Returns:
        Its line, from 1; the line of the nearest enclosing field if it is absent.
    """
    return _walk(node, location)[1].line + 1


def find_node(node: yaml.Node, location: Location) -> yaml.Node | None:
    """Find the node of a field.

    Args:
        node: Root of the document.
        location: The field.

    Returns:
        Its value's node; None if it is absent.
    """
    value, _line, depth = _walk(node, location)
    return value if depth == len(location) else None


def _walk(
    node: yaml.Node, location: Location, data: Any = None
) -> tuple[yaml.Node, yaml.Mark, int]:
    """Follow a location as far as it exists in a document.

    Args:
        node: Root of the document.
        location: The field.
        data: The validated data, if several files were merged: items of a list are then matched by
            their `name`, because indexes differ between the files.

    Returns:
        The node that was reached, its place, and how many parts of the location exist.
    """
    mark = node.start_mark
    for depth, part in enumerate(location):
        pair = None
        if isinstance(node, yaml.MappingNode):
            # the last one counts: PyYAML inserts what a merge key (`<<`) brings at the front
            pair = next(((k, v) for k, v in reversed(node.value) if k.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            pair = next(((v, v) for v in _matching_items(node, part, data)), None)
        if pair is None:
            return node, mark, depth
        node, mark = pair[1], pair[0].start_mark
        data = _get_child(data, part)
    return node, mark, len(location)


def _get_child(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (TypeError, LookupError):
        return None


def _matching_items(node: yaml.SequenceNode, index: int, data: Any) -> list[yaml.Node]:
    name = _get_child(_get_child(data, index), "name")
    if name is None:
        return list(node.value[index : index + 1])
    matches: list[yaml.Node] = []
    for item in node.value:
        if isinstance(item, yaml.MappingNode):
            names = [value.value for key, value in item.value if key.value == "name"]
            matches += [item] if name in names else []
    return matches


def format_error(
    model: type[BaseModel],
    data: Any,
    problem: ErrorDetails,
    path: Path,
    files: tuple[tuple[Path, yaml.Node], ...],
) -> str:
    """Format one invalid field as one line.

    Args:
        model: The model that rejected the data.
        data: The data, merged from all files.
        problem: An item of pydantic's `ValidationError.errors()`.
        path: The document's file.
        files: That file and those it extends with their node trees, nearest first; empty if the
            document is not YAML.

    Returns:
        The line, "file:line: field: problem".
    """
    # a validator of a whole model names the field below it that is wrong
    location = (*problem["loc"], *problem.get("ctx", {}).get("location", ()))
    field = ".".join(
        word if (word := str(part)).isprintable() else repr(word)
        for part in location
        if part != KEY_MARKER
    )
    place, node = _find_place(location, data, path, files)
    message = type_words.describe_problem(problem)
    if problem["type"] == "string_type" and node is not None:
        message = strict_yaml.explain_yaml_type(node) or message
    elif problem["type"] == "extra_forbidden":
        holder = _find_model(model, location[:-1])
        message = describe_unknown_field(str(location[-1]), holder.model_fields if holder else ())
    elif problem["type"] == "literal_error" and isinstance(problem["input"], str):
        choices = type_words.list_choices(problem.get("ctx", {}))
        message += suggestions.format_suggestions(problem["input"], choices)
    return f"{place}: {field}: {message}" if field else f"{place}: {message}"


def locate(
    location: Location, data: Any, path: Path, files: tuple[tuple[Path, yaml.Node], ...]
) -> str:
    """Find where a field stands.

    Args:
        location: The field.
        data: The data, merged from all files.
        path: The document's file.
        files: That file and those it extends with their node trees, nearest first.

    Returns:
        "file:line"; the line of the nearest enclosing field if it is absent.
    """
    return _find_place(location, data, path, files)[0]


def _find_place(
    location: Location, data: Any, path: Path, files: tuple[tuple[Path, yaml.Node], ...]
) -> tuple[str, yaml.Node | None]:
    """Find "file:line" of a field, and its node if the field exists there.

    Of several files, the nearest one with the longest part of the location counts, so a field that
    only a base file contains is reported there.
    """
    place, value, longest = (f"{path}:1" if files else str(path)), None, -1
    for file, root in files:
        node, mark, depth = _walk(root, location, data if len(files) > 1 else None)
        if depth > longest:
            longest, place = depth, format_place(file, mark)
            value = node if depth == len(location) else None
    return place, value


def describe_unknown_field(name: str, fields: Iterable[str]) -> str:
    """Describe an unknown field, with a suggestion.

    Args:
        name: The unknown name.
        fields: The fields that are valid in its place.

    Returns:
        The message, without the field's position.
    """
    valid = sorted(fields)
    fields_shown = word_lists.join_words(valid)
    if similar := suggestions.find_similar(name, valid):
        return _(
            "unknown field; did you mean {similar}? valid fields: {valid}",
            similar=similar[0],
            valid=fields_shown,
        )
    return _("unknown field; valid fields: {valid}", valid=fields_shown)


def _find_model(annotation: Any, location: Location) -> type[BaseModel] | None:
    """Find the model that contains the field at a location."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next((a for a in get_args(annotation) if a is not NoneType), None)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not location:
            return annotation
        field = annotation.model_fields.get(str(location[0]))
        return _find_model(field.annotation, location[1:]) if field else None
    arguments = get_args(annotation)
    if not arguments or not location:
        return None
    return _find_model(arguments[1 if get_origin(annotation) is dict else 0], location[1:])
