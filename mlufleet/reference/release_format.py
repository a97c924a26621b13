"""docs/release.md: the format of a release, made from its models and one example."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fleet import paths
from fleet.documents.types import Bool, Int, Model
from fleet.release import model as release_model
from mlufleet.reference import systems_page

#: a release in which every field occurs
EXAMPLE_FILE = paths.PROJECT_ROOT / "docs" / "release-example.yml"
HEAD = """\
# Releases

A release is `files/releases/NAME.yml`. This page is made from the models in
`fleet/release/model.py` (`make docs`); the examples are those of
[release-example.yml](release-example.yml). `mlufleet new` begins one, `mlufleet show` says what
one comes to.

`extends: OTHER` takes another release first: mappings merge, lists whose items have names merge by
name, other lists are replaced. `variants` are changes that exclude each other, `variant` chooses
one.
"""
TYPE_WORDS = {str: "text", int: "number", bool: "true or false"}


def read_field_descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the `#:` comment above it."""
    pattern = r"((?:    #: [^\n]+\n)+)    (\w+): "
    return {
        name: " ".join(line.strip().removeprefix("#: ") for line in comment.splitlines())
        for comment, name in re.findall(pattern, inspect.getsource(model))
    }


def describe_type(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """A field's type in words."""
    for item in metadata:
        if said := getattr(getattr(item, "func", None), "__doc__", None):
            return str(said).partition(" without blanks")[0]
    if hasattr(annotation, "__metadata__") and annotation not in (Int, Bool):
        return describe_type(annotation.__origin__, annotation.__metadata__)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return describe_type(next(a for a in arguments if a is not NoneType))
    if origin is tuple:
        return f"list of: {describe_type(arguments[0])}"
    if origin is dict:
        return f"mapping to: {describe_type(arguments[1])}"
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return TYPE_WORDS.get(
        arguments[0] if hasattr(annotation, "__metadata__") else annotation, "text"
    )


def list_models() -> list[type[BaseModel]]:
    """The models of a release, the whole first."""
    found = [
        value
        for value in vars(release_model).values()
        if inspect.isclass(value) and issubclass(value, Model) and value is not Model
    ]
    return sorted(found, key=lambda model: model is not release_model.Release)


def find_examples(
    model: type[BaseModel], data: Any, annotation: Any = release_model.Release
) -> Iterator[Any]:
    """Every mapping of the example that is of a model."""
    if (
        isinstance(annotation, type)
        and issubclass(annotation, BaseModel)
        and isinstance(data, dict)
    ):
        if annotation is model:
            yield data
        for name, value in data.items():
            if name in annotation.model_fields:
                yield from find_examples(model, value, annotation.model_fields[name].annotation)
        return
    for argument in get_args(annotation):
        inner = data.values() if get_origin(annotation) is dict and isinstance(data, dict) else data
        for item in inner if isinstance(inner, list) or inner is not data else [data]:
            yield from find_examples(model, item, argument)


def _render_row(name: str, field: FieldInfo, meaning: str, example: Any) -> str:
    need = (
        "required"
        if field.is_required()
        else _format_value(field.get_default(call_default_factory=True))
    )
    shown = _format_value(example).replace("|", "\\|")
    words = describe_type(field.annotation, tuple(field.metadata))
    return f"| `{name}` | {words} | {need} | {meaning} | {shown} |"


def _format_value(value: Any) -> str:
    if value in (None, "", (), {}) or isinstance(value, BaseModel):
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return "" if len(text) > 90 else f"`{text}`"


def render_page() -> str:
    """The whole page."""
    data = yaml.safe_load(EXAMPLE_FILE.read_text(encoding="utf-8"))
    parts = [HEAD]
    for model in list_models():
        found, said = list(find_examples(model, data)), read_field_descriptions(model)
        rows = []
        for name, field in model.model_fields.items():
            example = next((one[name] for one in found if name in one), None)
            rows.append(_render_row(name, field, said.get(name, ""), example))
        head = "| field | kind | otherwise | meaning | example |\n|---|---|---|---|---|"
        words = inspect.cleandoc(model.__doc__ or "")
        parts.append("\n".join([f"## {model.__name__}\n", f"{words}\n", head, *rows]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (EXAMPLE_FILE.parent / "release.md").write_text(render_page(), encoding="utf-8")
    (EXAMPLE_FILE.parent / "systems.md").write_text(systems_page.render_page(), encoding="utf-8")
