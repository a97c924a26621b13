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
from fleet.language import N_, _
from fleet.release import model as release_model
from mlufleet.reference import page_texts

#: A release that contains every field.
EXAMPLE_FILE = paths.PROJECT_ROOT / "docs" / "release-example.yml"
#: Longer examples are omitted.
MAX_EXAMPLE_LENGTH = 90
HEAD = """\
# Release format

A release is a YAML file, `files/releases/NAME.yml`. This page is generated from the models in
`fleet/release/model.py` by `make docs`; the examples are taken from
[release-example.yml](release-example.yml). `mlufleet release new` creates a release,
`mlufleet release show` prints a release with everything that it inherits.

`extends: OTHER` takes the fields of another release first: mappings are merged, lists whose items
have names are merged by name, other lists are replaced. `variants` are alternatives, of which
`variant` selects one.

Unit tests also compare the releases of this project with facts about their upstream repositories.
`CONTRIBUTING.md` describes how to collect these facts.

## From a tutorial to a release

- `git clone` and `git checkout` become `sources`; `python torch_gpu2mlu.py -i TREE` becomes
  `migration.trees`, and later steps work in `TREE_mlu`.
- `cp` of a file from the tutorial's own repository: that repository is one of the `sources`, and a
  patch names it as `source` and the file as `path`.
- `sed`, or an edit by line number: a patch with `find` and `replace`, or with `after` and `insert`.
  For requirements.txt, `exclude` of the pip command omits packages.
- `pip install`, in this order: `packages.pip`.
- Weights below a migrated tree: `weights.link`. Weights at any other path, such as beside the
  sources: a second mount of their folder in `container.mounts`, at that path.
- A demo and what it answers: `smoke`. Take `expect` from the answer, not from the question, the
  program's own text or its messages while it loads.

A patch finds its text in the file as the migration tool leaves it. A file that comes from a source
is read from git at the locked commit, on the host itself. Several patches of one file are applied
in their order, so a copied file can be changed as well:

```yaml
patches:
  - {file: /home/share/model_mlu/api.py, source: toolkit, path: tools/api.py}
  - {file: /home/share/model_mlu/api.py, find: ../weights, replace: /data/models/model, count: 2}
```
"""
TYPE_WORDS = {str: N_("string"), int: N_("integer"), bool: N_("true or false")}


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
            return _(_describe_pattern(check))
    if hasattr(annotation, "__metadata__") and annotation not in (Int, Bool):
        return describe_type(annotation.__origin__, annotation.__metadata__)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return describe_type(next(a for a in arguments if a is not NoneType))
    if origin is tuple:
        return _("list of: {type}", type=describe_type(arguments[0]))
    if origin is dict:
        return _("mapping to: {type}", type=describe_type(arguments[1]))
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    plain = arguments[0] if hasattr(annotation, "__metadata__") else annotation
    return _(TYPE_WORDS.get(plain, TYPE_WORDS[str]))


def _describe_pattern(check: PatternCheck) -> str:
    return re.split(",? without blanks", check.description)[0]


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
        _("required")
        if field.is_required()
        else _format_value(field.get_default(call_default_factory=True))
    )
    shown = _format_value(example).replace("|", "\\|")
    type_words = describe_type(field.annotation, tuple(field.metadata))
    meaning = _(description) if description else ""
    return f"| `{name}` | {type_words} | {default} | {meaning} | {shown} |"


def _format_value(value: Any) -> str:
    if value in (None, "", (), {}) or isinstance(value, BaseModel):
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return "" if len(text) > MAX_EXAMPLE_LENGTH else f"`{text}`"


def render_page() -> str:
    """Render docs/release.md."""
    data = yaml.safe_load(EXAMPLE_FILE.read_text(encoding="utf-8"))
    parts = [page_texts.translate_page(HEAD)]
    titles = (_("field"), _("type"), _("default"), _("meaning"), _("example"))
    head = f"| {' | '.join(titles)} |\n|---|---|---|---|---|"
    for model in list_models():
        examples, descriptions = list(find_examples(model, data)), read_field_descriptions(model)
        rows = []
        for name, field in model.model_fields.items():
            example = next((mapping[name] for mapping in examples if name in mapping), None)
            rows.append(_render_row(name, field, descriptions.get(name, ""), example))
        text = page_texts.translate_page(inspect.cleandoc(model.__doc__ or ""))
        parts.append("\n".join([f"## {model.__name__}\n", f"{text}\n", head, *rows]) + "\n")
    return "\n".join(parts)


def list_messages() -> Iterator[str]:
    """Yield the messages of the page that are no constants in calls of `_()`."""
    yield from page_texts.list_messages(HEAD)
    for model in list_models():
        yield from page_texts.list_messages(inspect.cleandoc(model.__doc__ or ""))
        yield from read_field_descriptions(model).values()
        for field in model.model_fields.values():
            yield from _list_type_words(field.annotation, tuple(field.metadata))


def _list_type_words(annotation: Any, metadata: tuple[Any, ...] = ()) -> Iterator[str]:
    """Yield what the patterns within a type call themselves."""
    for item in metadata:
        if isinstance(check := getattr(item, "func", None), PatternCheck):
            yield _describe_pattern(check)
    if hasattr(annotation, "__metadata__"):
        yield from _list_type_words(annotation.__origin__, annotation.__metadata__)
    for argument in get_args(annotation):
        if get_origin(annotation) is not Literal:
            yield from _list_type_words(argument)
