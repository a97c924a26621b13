"""Release files: find them by name, merge them with those they extend, and load them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from fleet import paths
from fleet.documents import field_errors, loading
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.release.model import Release
from fleet.text import suggestions, word_lists

RELEASES_FOLDER = paths.FILES_FOLDER / "releases"
#: Longest chain of `extends`.
MAX_EXTENDED_FILES = 20


@dataclass(frozen=True)
class ReleaseDocument:
    """A release and the files that it was read from.

    Attributes:
        release: The release.
        path: Its file.
        fields: The merged fields, before they were validated.
        nodes: The files and their node trees, nearest first.
        variant: The variant that was merged over the release; "" if it has none.
    """

    release: Release
    path: Path
    fields: dict[str, Any]
    nodes: tuple[tuple[Path, yaml.Node], ...]
    variant: str = ""

    def describe_place(self, location: field_errors.Location) -> str:
        """Describe where a field stands.

        Args:
            location: The field, such as `("patches", 0, "count")`.

        Returns:
            "file:line: field"; the line of the nearest enclosing field if it is absent.
        """
        place = field_errors.locate(location, self.fields, self.path, self.nodes)
        return f"{place}: {'.'.join(map(str, location))}"


class ReadFile(NamedTuple):
    """A release file as it was read, without `extends`."""

    path: Path
    data: dict[str, Any]
    #: Node tree with line numbers.
    node: yaml.Node


def find_release(name: str) -> Path:
    """Find the file of a release.

    Args:
        name: Path of a YAML file, or a name in files/releases, where the site's own files take
            precedence.

    Returns:
        The path of the file.

    Raises:
        InvalidInput: There is no such file; the message lists the known releases.
    """
    is_path = name.endswith((".yml", ".yaml"))
    candidates = [Path(name)] if is_path else paths.find_candidates(f"releases/{name}.yml")
    if existing := next(filter(loading.is_file, candidates), None):
        return existing
    path, folders = candidates[0], paths.find_existing("releases")
    known = sorted({file.stem for folder in folders for file in folder.glob("*.yml")})
    files = [str(other) for other in path.parent.glob("*.y*ml")] if name != path.stem else known
    suggestion = suggestions.format_suggestions(name, files)
    raise InvalidInput(
        _(
            "release {name!r}: no file {path}{suggestion}; known releases: {known}",
            name=name,
            path=path,
            suggestion=suggestion,
            known=word_lists.join_words(known),
        )
    )


def merge_fields(base: Any, change: Any) -> Any:
    """Merge the fields of a file over those of the file it extends.

    Args:
        base: A value of the extended file.
        change: The value of the same field in the extending file.

    Returns:
        Mappings are merged, lists of named items are merged by name, and other values are replaced
        by `change`.
    """
    if isinstance(base, dict) and isinstance(change, dict):
        merged = {k: merge_fields(base[k], v) if k in base else v for k, v in change.items()}
        return {**base, **merged}
    if _has_unique_names(base) and _has_unique_names(change):
        changes = {item["name"]: item for item in change}
        result = [merge_fields(item, changes.pop(item["name"], {})) for item in base]
        return result + list(changes.values())
    return change


def _has_unique_names(items: Any) -> bool:
    """Check whether a value is a list of mappings, each with a unique name."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return False
    names = [item.get("name") for item in items]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names) > 0


def _read_chain(path: Path) -> list[ReadFile]:
    """Read a release file and those it extends, nearest first."""
    files: list[ReadFile] = []
    visited: list[Path] = []
    next_path: Path | None = path
    while next_path is not None:
        if next_path.resolve() in visited:
            chain = " -> ".join(str(file.path) for file in files)
            raise InvalidInput(
                _(
                    "{place}: circular: {chain}",
                    place=_locate_extends(path, files[0].node),
                    chain=chain,
                )
            )
        if len(files) == MAX_EXTENDED_FILES:
            raise InvalidInput(
                _(
                    "{place}: more than {limit} files extend each other",
                    place=_locate_extends(path, files[0].node),
                    limit=MAX_EXTENDED_FILES,
                )
            )
        visited.append(next_path.resolve())
        data, node = loading.read_mapping(next_path)
        files.append(ReadFile(next_path, data, node))
        next_path = _pop_extended_path(next_path, data, node)
    return files


def _locate_extends(path: Path, node: yaml.Node) -> str:
    return f"{path}:{field_errors.find_line(node, ('extends',))}: extends"


def _pop_extended_path(path: Path, data: dict[str, Any], node: yaml.Node) -> Path | None:
    """Remove `extends` from the data of a file, and find the file that it names."""
    name = data.pop("extends", None)
    if name is None:
        return None
    place = _locate_extends(path, node)
    if not isinstance(name, str):
        raise InvalidInput(_("{place}: expected the name of one release", place=place))
    sibling = Path(os.path.normpath(path.parent / f"{name.removesuffix('.yml')}.yml"))
    if loading.is_file(sibling):
        return sibling
    try:
        return find_release(name)
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error}") from error


def _merge_chain(files: list[ReadFile]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for file in reversed(files):
        merged = merge_fields(merged, file.data)
    return merged


def list_variants(path: Path) -> list[str]:
    """List the variants of a release.

    Args:
        path: The release file.

    Returns:
        Their names, sorted; empty if there are none.

    Raises:
        InvalidInput: A file cannot be read.
    """
    choices = _merge_chain(_read_chain(path)).get("variants")
    return sorted(choices) if isinstance(choices, dict) else []


def load_document(path: Path, variant: str | None = None) -> ReleaseDocument:
    """Load a release, merged with the files it extends, and keep where each field stands.

    Args:
        path: The release file.
        variant: Name of a variant; the release's own choice by default.

    Returns:
        The release and its files.

    Raises:
        InvalidInput: With file, line and field of every problem.
    """
    files = _read_chain(path)
    fields = _merge_chain(files)
    nodes = tuple((file.path, file.node) for file in files)
    chosen = ""
    if "variants" in fields:
        choices = fields.pop("variants")
        chosen = _choose_variant(choices, variant or fields.pop("variant", None), files[0])
        fields.pop("variant", None)
        fields = merge_fields(fields, choices[chosen])
        # an invalid field of a variant is reported where it stands
        for file in files:
            under = field_errors.find_node(file.node, ("variants", chosen))
            nodes += ((file.path, under),) if under else ()
    release = loading.validate_document(Release, fields, path, files[0].node, nodes[1:])
    return ReleaseDocument(release, path, fields, nodes, chosen)


def load_release(path: Path, variant: str | None = None) -> Release:
    """Load a release, merged with the files it extends.

    Args:
        path: The release file.
        variant: Name of a variant; the release's own choice by default.

    Returns:
        The release.

    Raises:
        InvalidInput: With file, line and field of every problem.
    """
    return load_document(path, variant).release


def _choose_variant(choices: Any, chosen: Any, file: ReadFile) -> str:
    """Return the chosen variant's name if it is valid."""
    variants = choices if isinstance(choices, dict) else {}
    if isinstance(chosen, str) and isinstance(variants.get(chosen), dict):
        return chosen
    line = field_errors.find_line(file.node, ("variant",))
    names = list(map(str, variants))
    suggestion = suggestions.format_suggestions(str(chosen), names)
    raise InvalidInput(
        _(
            "{path}:{line}: variant: expected one of the variants: {variants}{suggestion}",
            path=file.path,
            line=line,
            variants=word_lists.join_words(names) or _("none"),
            suggestion=suggestion,
        )
    )


def load_merged_fields(path: Path) -> dict[str, Any]:
    """Load the fields of a release without validating them.

    Args:
        path: The release file.

    Returns:
        The fields of the file and of those it extends, as one file would have them.

    Raises:
        InvalidInput: A file cannot be read.
    """
    return _merge_chain(_read_chain(path))
