"""Generate docs/release.md from the models of a release and an example."""

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
from fleet.documents.types import Bool, Int, Model, PatternCheck
from fleet.release import model as release_model

#: A release that contains every field.
EXAMPLE_FILE = paths.PROJECT_ROOT / "docs" / "release-example.yml"
#: Longer examples are omitted.
MAX_EXAMPLE_LENGTH = 90
HEAD = """\
# Release format

A release is a YAML file, `files/releases/NAME.yml`. This page is generated from the models in
`fleet/release/model.py` by `make docs`; the examples are taken from
[release-example.yml](release-example.yml). `mlufleet release new` creates a release,
`mlufleet release show` prints what it results in.

`extends: OTHER` takes the fields of another release first: mappings are merged, lists whose items
have names are merged by name, other lists are replaced. `variants` are alternatives, of which
`variant` selects one.

A release of this project is compared with facts about its upstream repositories as well, in unit
tests: `python -m tests.upstreams` collects them, as `CONTRIBUTING.md` tells.
"""
TYPE_WORDS = {str: "string", int: "integer", bool: "true or false"}


def read_field_descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Read the descriptions of a model's fields from its source code.

    Args:
        model: The model.

    Returns:
        Name of a field -> the `#:` comment above it.
    """
    pattern = r"((?:    #: [^\n]+\n)+)    (\w+): "
    return {
        name: " ".join(line.strip().removeprefix("#: ") for line in comment.splitlines())
        for comment, name in re.findall(pattern, inspect.getsource(model))
    }


def describe_type(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """Describe the type of a field in words.

    Args:
        annotation: The type.
        metadata: What pydantic separated from an `Annotated` type, such as validators.

    Returns:
        The description, with a link if the type is a model.
    """
    for item in metadata:
        if isinstance(check := getattr(item, "func", None), PatternCheck):
            return check.description.partition(" without blanks")[0]
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
    plain = arguments[0] if hasattr(annotation, "__metadata__") else annotation
    return TYPE_WORDS.get(plain, "string")


def list_models() -> list[type[BaseModel]]:
    """List the models of a release, :class:`~fleet.release.model.Release` first."""
    models = [
        value
        for value in vars(release_model).values()
        if inspect.isclass(value) and issubclass(value, Model) and value is not Model
    ]
    return sorted(models, key=lambda model: model is not release_model.Release)


def find_examples(
    model: type[BaseModel], data: Any, annotation: Any = release_model.Release
) -> Iterator[Any]:
    """Find every mapping in the example that belongs to a model.

    Args:
        model: The model.
        data: The example, or a part of it.
        annotation: The type of that part.

    Yields:
        The mappings.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not isinstance(data, dict):
            return
        if annotation is model:
            yield data
        for name, value in data.items():
            if name in annotation.model_fields:
                field = annotation.model_fields[name]
                yield from find_examples(model, value, field.annotation)
        return
    for argument in get_args(annotation):
        is_mapping = get_origin(annotation) is dict and isinstance(data, dict)
        items = list(data.values()) if is_mapping else data if isinstance(data, list) else [data]
        for item in items:
            yield from find_examples(model, item, argument)


def _render_row(name: str, field: FieldInfo, description: str, example: Any) -> str:
    default = (
        "required"
        if field.is_required()
        else _format_value(field.get_default(call_default_factory=True))
    )
    shown = _format_value(example).replace("|", "\\|")
    type_words = describe_type(field.annotation, tuple(field.metadata))
    return f"| `{name}` | {type_words} | {default} | {description} | {shown} |"


def _format_value(value: Any) -> str:
    if value in (None, "", (), {}) or isinstance(value, BaseModel):
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return "" if len(text) > MAX_EXAMPLE_LENGTH else f"`{text}`"


def render_page() -> str:
    """Render docs/release.md."""
    data = yaml.safe_load(EXAMPLE_FILE.read_text(encoding="utf-8"))
    parts = [HEAD]
    for model in list_models():
        examples, descriptions = list(find_examples(model, data)), read_field_descriptions(model)
        rows = []
        for name, field in model.model_fields.items():
            example = next((mapping[name] for mapping in examples if name in mapping), None)
            rows.append(_render_row(name, field, descriptions.get(name, ""), example))
        head = "| field | type | default | meaning | example |\n|---|---|---|---|---|"
        text = inspect.cleandoc(model.__doc__ or "")
        parts.append("\n".join([f"## {model.__name__}\n", f"{text}\n", head, *rows]) + "\n")
    return "\n".join(parts)
