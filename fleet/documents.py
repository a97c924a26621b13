"""YAML documents with errors that name file, line, field and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from fleet.failures import InvalidInput

M = TypeVar("M", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice (YAML's last-one-wins loses hosts)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key!r} is given twice, first in line {seen[key]}",
                    problem_mark=key_node.start_mark,
                )
            seen[key] = line
        return super().construct_mapping(node, deep=deep)


def read(path: Path) -> tuple[dict[str, Any], yaml.Node]:
    """The mapping in a YAML file, and its node tree for line numbers.

    :raises InvalidInput: the file is missing, unreadable, not YAML or not a mapping
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read: {error}") from error
    try:
        node = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidInput(f"{path}:{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict) or node is None:
        raise InvalidInput(f"{path}:1: a mapping is expected (`key: value` lines)")
    return data, node


def line_of(node: yaml.Node, location: tuple[str | int, ...]) -> int:
    """The line of a field; of the nearest enclosing one where it is absent."""
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    node, line = value, key.start_mark.line + 1
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def validate(model: type[M], data: Any, path: Path, node: yaml.Node | None = None) -> M:
    """``data`` as a ``model``.

    :raises InvalidInput: with one line for each wrong field
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"])
            line = line_of(node, problem["loc"]) if node is not None else 1
            message = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "extra_forbidden":
                known = ", ".join(sorted(model.model_fields))
                message = f"unknown field; known at the top: {known}"
            lines.append(f"{path}:{line}: {where}: {message}")
        raise InvalidInput("\n".join(lines)) from error
