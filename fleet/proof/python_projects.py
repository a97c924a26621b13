"""What a Python project needs, read from its files without running any of them."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tomli
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fleet.language import _, join, text_of
from fleet.proof.module_values import ModuleValues, NotLiteral
from fleet.proof.requirement_files import ReadText, UnknownText, read_requirements
from fleet.store.image_python import PACKAGE_NAME


@dataclass(frozen=True)
class Project:
    """A Python project that pip installs in place.

    Attributes:
        name: normalized name.
        version: its version; "" if it is computed.
        requires: what it needs.
        origin: the file that says so.
    """

    name: str
    version: str
    requires: tuple[Requirement, ...]
    origin: str


def read_project(folder: str, read: ReadText) -> Project:
    """Read what a project needs.

    Args:
        folder: its absolute path in the container.
        read: reads files of the container.

    Returns:
        The project.

    Raises:
        UnknownText: its files are unknown, or compute what they need.
    """
    folder = folder.rstrip("/")
    found = _read_fields(folder, read)
    if "requires" not in found and found["setup"]:
        raise UnknownText(found["setup"])
    name = str(found.get("name") or "")
    if not PACKAGE_NAME.fullmatch(name):
        name = re.sub(r"[^A-Za-z0-9]+", "-", folder.rpartition("/")[2]).strip("-") or "unnamed"
    return Project(
        canonicalize_name(name),
        _parse_version(found.get("version")),
        _parse_requirements(found.get("requires") or (), folder),
        found.get("origin", folder),
    )


def _read_fields(folder: str, read: ReadText) -> dict[str, Any]:
    """Read a project's files; a field of the first file that has it counts."""
    readers: dict[str, Callable[[str, ReadText], dict[str, Any] | None]] = {
        "pyproject.toml": _read_pyproject,
        "setup.cfg": _read_setup_cfg,
        "setup.py": _read_setup_py,
    }
    found: dict[str, Any] = {}
    reasons: list[str] = []
    for name, reader in readers.items():
        try:
            fields = reader(f"{folder}/{name}", read) or {}
        except UnknownText as unknown:
            reasons.append(text_of(unknown))
            continue
        if fields.get("requires") is not None:
            found.setdefault("origin", f"{folder}/{name}")
        found = {key: value for key, value in fields.items() if value is not None} | found
    if not {"requires", "setup"} & set(found):
        raise UnknownText(
            join("; ", reasons)
            or _("{folder} has no pyproject.toml and no setup.py", folder=folder)
        )
    return found


def _parse_version(text: Any) -> str:
    try:
        return str(Version(str(text)))
    except InvalidVersion:
        return ""


def _parse_requirements(texts: Any, folder: str) -> tuple[Requirement, ...]:
    if not isinstance(texts, (list, tuple)):
        raise UnknownText(_("{folder} has no list of requirements", folder=folder))
    try:
        return tuple(Requirement(str(text)) for text in texts)
    except InvalidRequirement as error:
        raise UnknownText(_("{folder} asks for {error}", folder=folder, error=error)) from error


def _read_pyproject(path: str, read: ReadText) -> dict[str, Any] | None:
    try:
        document = tomli.loads(read(path))
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise UnknownText(_("{path} is not TOML: {error}", path=path, error=error)) from error
    project = _get_table(document, "project")
    if not project:
        if _get_table(document, "tool", "poetry"):
            return {"setup": _("{path} has its dependencies in poetry's own form", path=path)}
        return None
    fields = {"name": project.get("name"), "version": project.get("version")}
    if "dependencies" not in str(project.get("dynamic")):
        return {**fields, "requires": project.get("dependencies", [])}
    dynamic = _get_table(document, "tool", "setuptools", "dynamic", "dependencies")
    files = dynamic.get("file") or []
    if files:
        names = [files] if isinstance(files, str) else map(str, files)
        folder = path.rpartition("/")[0]
        lists = [read_requirements(f"{folder}/{name}", (), read) for name in names]
        fields["requires"] = [str(r.requirement) for one in lists for r in one.requested]
    return fields


def _get_table(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return a table in a document; empty if there is none."""
    for key in keys:
        inner = document.get(key)
        document = inner if isinstance(inner, dict) else {}
    return document


def _read_setup_cfg(path: str, read: ReadText) -> dict[str, Any] | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read(path))
    except configparser.Error as error:
        raise UnknownText(_("{path} is not an INI file", path=path)) from error
    requires = parser.get("options", "install_requires", fallback=None)
    version = parser.get("metadata", "version", fallback="")
    if requires is not None and requires.strip().startswith("file:"):
        folder, name = path.rpartition("/")[0], requires.strip().removeprefix("file:").strip()
        listed = read_requirements(f"{folder}/{name}", (), read).requested
        requires = "\n".join(str(one.requirement) for one in listed)
    return {
        "name": parser.get("metadata", "name", fallback=None),
        "version": None if ":" in version else version or None,
        "requires": None if requires is None else list(filter(None, requires.splitlines())),
    }


def _read_setup_py(path: str, read: ReadText) -> dict[str, Any] | None:
    try:
        module = ast.parse(read(path))
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UnknownText(_("{path} is not Python: {error}", path=path, error=error)) from error
    values = ModuleValues(module)
    calls = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", "") or getattr(node.func, "attr", "")) == "setup"
    ]
    if not calls:
        return {"setup": _("{path} has no call of setup()", path=path)}
    keywords = {word.arg: word.value for word in calls[0].keywords}
    if None in keywords:
        return {
            "setup": _(
                "{path}:{line} computes the arguments of setup()",
                path=path,
                line=calls[0].lineno,
            )
        }
    fields: dict[str, Any] = {"setup": ""}
    for key, word in (("name", "name"), ("version", "version"), ("requires", "install_requires")):
        if word in keywords:
            try:
                fields[key] = values.evaluate(keywords[word])
            except NotLiteral as error:
                if key == "requires":
                    fields["setup"] = _(
                        "{path}:{line} computes install_requires", path=path, line=error.line
                    )
    if isinstance(requires := fields.get("requires"), str):
        fields["requires"] = list(filter(None, map(str.strip, requires.splitlines())))
    return fields
