"""Releases as files: found by name, extended by others, read with errors that name the line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from fleet import paths
from fleet.documents import field_errors, loading
from fleet.errors import InvalidInput
from fleet.release.model import Release
from fleet.text import suggestions

RELEASES_FOLDER = paths.FILES_FOLDER / "releases"
#: files in a chain of `extends`
MAX_EXTENDED_FILES = 20


def find_release(name: str) -> Path:
    """The file of a release, by path or by name in files/releases.

    :raises InvalidInput: there is none; the message lists those that are
    """
    if name.endswith((".yml", ".yaml")):
        candidates = [Path(name)]
    else:
        candidates = paths.find_candidates(f"releases/{name}.yml")
    path = candidates[-1]
    if found := next(filter(loading.is_file, candidates), None):
        return found
    folders = paths.find_existing("releases")
    named = sorted({p.stem for folder in folders for p in folder.glob("*.yml")})
    files = [str(other) for other in path.parent.glob("*.y*ml")] if name != path.stem else named
    near = suggestions.format_suggestions(name, files)
    raise InvalidInput(
        f"release {name!r}: no file {path}{near}; known releases: {', '.join(named)}"
    )


def merge_fields(base: Any, change: Any) -> Any:
    """``change`` over ``base``: mappings merge, lists of named items merge by name."""
    if isinstance(base, dict) and isinstance(change, dict):
        return {
            **base,
            **{k: merge_fields(base[k], v) if k in base else v for k, v in change.items()},
        }
    if _has_unique_names(base) and _has_unique_names(change):
        changes = {item["name"]: item for item in change}
        result = [merge_fields(item, changes.pop(item["name"], {})) for item in base]
        return result + list(changes.values())
    return change


def _has_unique_names(items: Any) -> bool:
    """A list of mappings, each with a name of its own."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return False
    names = [item.get("name") for item in items]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names) > 0


ReadFile = tuple[Path, dict[str, Any], yaml.Node]


def _read_chain(path: Path) -> list[ReadFile]:
    """A release file and those it extends, nearest first."""
    files: list[ReadFile] = []
    seen: list[Path] = []
    parent: Path | None = path
    while parent is not None:
        if parent.resolve() in seen:
            through = " -> ".join(str(file) for file, _, _ in files)
            raise InvalidInput(
                f"{_locate_extends(path, files[0][2])}: it extends itself through {through}"
            )
        if len(files) == MAX_EXTENDED_FILES:
            raise InvalidInput(
                f"{_locate_extends(path, files[0][2])}: a chain of over {MAX_EXTENDED_FILES} files"
            )
        seen.append(parent.resolve())
        data, node = loading.read_mapping(parent)
        files.append((parent, data, node))
        parent = _pop_extended_path(parent, data, node)
    return files


def _locate_extends(path: Path, node: yaml.Node) -> str:
    return f"{path}:{field_errors.find_line(node, ('extends',))}: extends"


def _pop_extended_path(path: Path, data: dict[str, Any], node: yaml.Node) -> Path | None:
    """The file that a file extends; takes `extends` out of its data."""
    name = data.pop("extends", None)
    if name is None:
        return None
    place = _locate_extends(path, node)
    if not isinstance(name, str):
        raise InvalidInput(f"{place}: the name of one release is expected")
    beside = Path(os.path.normpath(path.parent / f"{name.removesuffix('.yml')}.yml"))
    if loading.is_file(beside):
        return beside
    try:
        return find_release(name)
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error}") from error


def _merge_chain(files: list[ReadFile]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for _, data, _ in reversed(files):
        whole = merge_fields(whole, data)
    return whole


def list_variants(path: Path) -> list[str]:
    """Names of the choices that a release offers."""
    found = _merge_chain(_read_chain(path)).get("variants")
    return sorted(found) if isinstance(found, dict) else []


def load_release(path: Path, variant: str | None = None) -> Release:
    """The release in a file, with what it extends.

    :param variant: another choice than the release's own
    :raises InvalidInput: naming file, line and field
    """
    files = _read_chain(path)
    whole, node = _merge_chain(files), files[0][2]
    nodes = tuple((file, root) for file, _, root in files[1:])
    if "variants" in whole:
        choices, chosen = whole.pop("variants"), variant or whole.get("variant")
        whole.pop("variant", None)
        known = isinstance(choices, dict) and isinstance(chosen, str)
        if not known or not isinstance(choices.get(chosen), dict):
            names = ", ".join(map(str, choices)) if isinstance(choices, dict) else "none"
            place = f"{path}:{field_errors.find_line(node, ('variant',))}: variant"
            near = (
                suggestions.format_suggestions(str(chosen), choices)
                if isinstance(choices, dict)
                else ""
            )
            raise InvalidInput(f"{place}: say one of the variants: {names}{near}")
        whole = merge_fields(whole, choices[chosen])
        # what is wrong in a variant is told where it stands
        for file, _, root in files:
            under = field_errors.find_node(root, ("variants", str(chosen)))
            nodes += ((file, under),) if under else ()
    return loading.validate_document(Release, whole, path, node, nodes)


def load_merged_fields(path: Path) -> dict[str, Any]:
    """The fields of a release file and of those it extends, as one file would have them."""
    return _merge_chain(_read_chain(path))
