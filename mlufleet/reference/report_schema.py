"""Makes docs/report.schema.json, the JSON schema of ``report.json``, from the report's classes."""

from __future__ import annotations

import ast
import inspect
import json
from itertools import pairwise
from typing import Any

import click

from mlufleet.report import model

DESCRIPTION = (
    "What became of the hosts of one run. Keys are added without a new version of the schema; "
    "a key that is missing or null has no value."
)


def render_schema() -> str:
    """Return the text of docs/report.schema.json."""
    schema = model.report_adapter().json_schema()
    classes = {"Report": schema, **schema["$defs"]}
    for name, definition in classes.items():
        _describe(definition, getattr(model, name))
    schema["description"] = DESCRIPTION
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "report.json of mlu-fleet",
        **{key: value for key, value in schema.items() if key not in ("title", "$defs")},
        "$defs": schema["$defs"],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _describe(definition: dict[str, Any], dataclass: type) -> None:
    """Add the descriptions of a class and of its fields to its definition."""
    definition["description"] = inspect.getdoc(dataclass)
    descriptions = _field_docstrings(dataclass)
    for name, field in definition["properties"].items():
        field.pop("title", None)
        field["description"] = descriptions[name]


def _field_docstrings(dataclass: type) -> dict[str, str]:
    """Return field -> the string below it in the source."""
    (class_node,) = ast.parse(inspect.getsource(dataclass)).body
    assert isinstance(class_node, ast.ClassDef)
    found = {}
    for statement, following in pairwise(class_node.body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = inspect.cleandoc(str(following.value.value))
            found[statement.target.id] = " ".join(text.split())
    return found


if __name__ == "__main__":
    click.echo(render_schema(), nl=False)
