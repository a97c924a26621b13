"""A field of a YAML document: where it stands, what is wrong with it, what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from fleet.documents import strict_yaml, type_words
from fleet.text import suggestions

#: choices in pydantic's own words
QUOTED_CHOICE = re.compile(r"'([^']*)'")
#: pydantic's word for what is wrong with the name of a field, and not with its value
KEY_MARKER = "[key]"
Location = tuple[str | int, ...]


def find_line(node: yaml.Node, location: Location) -> int:
    """The line of a field; of the nearest enclosing one where it is absent."""
    return _walk(node, location)[1]


def find_node(node: yaml.Node, location: Location) -> yaml.Node | None:
    """The node of a field; None where it is absent."""
    found, _, depth = _walk(node, location)
    return found if depth == len(location) else None


def _walk(node: yaml.Node, location: Location, data: Any = None) -> tuple[yaml.Node, int, int]:
    """The node of a field, its line, and how many parts of the location were found.

    :param data: what was validated; items of a list are found by its names where they have them
    """
    line = node.start_mark.line + 1
    for depth, part in enumerate(location):
        found = None
        if isinstance(node, yaml.MappingNode):
            # the last: what a merge key (`<<`) brought stands ahead of what replaces it
            found = next(((k, v) for k, v in reversed(node.value) if k.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = next(((v, v) for v in _matching_items(node, part, data)), None)
        if found is None:
            return node, line, depth
        node, line = found[1], found[0].start_mark.line + 1
        data = _get_child(data, part)
    return node, line, len(location)


def _get_child(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (TypeError, LookupError):
        return None


def _matching_items(node: yaml.SequenceNode, index: int, data: Any) -> list[yaml.Node]:
    """The item of an index; in a file that is one of several merged, the one of its name."""
    name = _get_child(_get_child(data, index), "name")
    if name is None:
        return list(node.value[index : index + 1])
    named: list[yaml.Node] = []
    for item in node.value:
        if isinstance(item, yaml.MappingNode):
            keys = [value.value for key, value in item.value if key.value == "name"]
            named += [item] if name in keys else []
    return named


def format_error(
    model: type[BaseModel],
    data: Any,
    problem: ErrorDetails,
    path: Path,
    files: tuple[tuple[Path, yaml.Node], ...],
) -> str:
    """One wrong field, in one line.

    :param files: the file and those it extends, nearest first; none for what is not YAML
    """
    location = problem["loc"]
    field = ".".join(
        word if (word := str(part)).isprintable() else repr(word)
        for part in location
        if part != KEY_MARKER
    )
    message = type_words.describe_problem(problem)
    place = f"{path}:1" if files else str(path)
    best = -1
    for file, root in files:  # the nearest file that has the field itself, not only its parent
        node, line, found = _walk(root, location, data if len(files) > 1 else None)
        if found > best:
            best, place = found, f"{file}:{line}"
            remark = strict_yaml.explain_yaml_type(node) if found == len(location) else ""
            if problem["type"] == "string_type" and remark:
                message = remark
    if problem["type"] == "extra_forbidden":
        holder = _find_model(model, location[:-1])
        message = describe_unknown_field(str(location[-1]), holder.model_fields if holder else ())
    elif problem["type"] == "literal_error" and isinstance(problem["input"], str):
        choices = QUOTED_CHOICE.findall(problem.get("ctx", {}).get("expected", ""))
        message += suggestions.format_suggestions(problem["input"], choices)
    return f"{place}: {field}: {message}" if field else f"{place}: {message}"


def describe_unknown_field(name: str, fields: Iterable[str]) -> str:
    """What to say of a field that is none, and which was meant perhaps."""
    known = sorted(fields)
    close = suggestions.find_similar(name, known)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"unknown field; {meant}fields here: {', '.join(known)}"


def _find_model(kind: Any, location: Location) -> type[BaseModel] | None:
    """The model in which a field of this location stands."""
    if get_origin(kind) in (Union, UnionType):
        kind = next((k for k in get_args(kind) if k is not type(None)), None)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not location:
            return kind
        field = kind.model_fields.get(str(location[0]))
        return _find_model(field.annotation, location[1:]) if field else None
    arguments = get_args(kind)
    if not arguments or not location:
        return None
    return _find_model(arguments[1 if get_origin(kind) is dict else 0], location[1:])
