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

from fleet.proof.requirement_files import ReadText, UnknownText, read_requirements
from fleet.store.image_python import PACKAGE_NAME

#: A requirement in a table: transformers keys its table by the name before the version.
TABLE_NAME = re.compile(r"[^!=<>~;\[ ]+")


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
            reasons.append(str(unknown))
            continue
        if fields.get("requires") is not None:
            found.setdefault("origin", f"{folder}/{name}")
        found = {key: value for key, value in fields.items() if value is not None} | found
    if not {"requires", "setup"} & set(found):
        raise UnknownText("; ".join(reasons) or f"{folder} has no pyproject.toml and no setup.py")
    return found


def _parse_version(text: Any) -> str:
    try:
        return str(Version(str(text)))
    except InvalidVersion:
        return ""


def _parse_requirements(texts: Any, folder: str) -> tuple[Requirement, ...]:
    if not isinstance(texts, (list, tuple)):
        raise UnknownText(f"{folder} has no list of requirements")
    try:
        return tuple(Requirement(str(text)) for text in texts)
    except InvalidRequirement as error:
        raise UnknownText(f"{folder} asks for {error}") from error


def _read_pyproject(path: str, read: ReadText) -> dict[str, Any] | None:
    try:
        document = tomli.loads(read(path))
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise UnknownText(f"{path} is not TOML: {error}") from error
    project = _get_table(document, "project")
    if not project:
        if _get_table(document, "tool", "poetry"):
            return {"setup": f"{path} has its dependencies in poetry's own form"}
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
        raise UnknownText(f"{path} is not an INI file") from error
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
        raise UnknownText(f"{path} is not Python: {error}") from error
    values = _ModuleValues(module)
    calls = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", "") or getattr(node.func, "attr", "")) == "setup"
    ]
    if not calls:
        return {"setup": f"{path} has no call of setup()"}
    keywords = {word.arg: word.value for word in calls[0].keywords}
    if None in keywords:
        return {"setup": f"{path}:{calls[0].lineno} computes the arguments of setup()"}
    fields: dict[str, Any] = {"setup": ""}
    for key, word in (("name", "name"), ("version", "version"), ("requires", "install_requires")):
        if word in keywords:
            try:
                fields[key] = values.evaluate(keywords[word])
            except _NotLiteral as error:
                if key == "requires":
                    fields["setup"] = f"{path}:{error.line} computes install_requires"
    if isinstance(requires := fields.get("requires"), str):
        fields["requires"] = list(filter(None, map(str.strip, requires.splitlines())))
    return fields


class _NotLiteral(Exception):
    """A value that only running the program can tell."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _ModuleValues:
    """Values of a module that can be told without running it."""

    def __init__(self, module: ast.Module) -> None:
        self._assigned: dict[str, ast.expr] = {}
        self._changed: dict[str, int] = {}
        for node in module.body:
            if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name):
                if target.id in self._assigned:
                    self._changed[target.id] = node.lineno
                self._assigned[target.id] = node.value
        for inner in ast.walk(module):
            self._note_change(inner)
        self._depth = 0

    def _note_change(self, node: ast.AST) -> None:
        """Note a change of a list, which makes the value of its name depend on the run."""
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self._changed[node.target.id] = node.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = getattr(node.func.value, "id", "")
            if node.func.attr in ("append", "extend", "insert", "remove"):
                self._changed[name] = node.lineno

    def evaluate(self, node: ast.expr) -> Any:
        """Return the value of an expression; raise _NotLiteral."""
        self._depth += 1
        try:
            if self._depth > 50:
                raise _NotLiteral(node.lineno)
            return self._evaluate(node)
        finally:
            self._depth -= 1

    def _evaluate(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self.evaluate(item) for item in node.elts]
        if isinstance(node, ast.Dict) and all(node.keys):
            keys = [self.evaluate(key) for key in node.keys if key]
            return dict(zip(keys, map(self.evaluate, node.values), strict=True))
        if isinstance(node, ast.Name):
            if node.id in self._assigned and node.id not in self._changed:
                return self.evaluate(self._assigned[node.id])
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.evaluate(node.left), self.evaluate(node.right)
            if type(left) is type(right) and isinstance(left, (str, list)):
                return left + right
        elif isinstance(node, ast.Subscript):
            table, key = self.evaluate(node.value), self.evaluate(node.slice)
            if isinstance(table, dict) and isinstance(key, str) and key in table:
                return table[key]
        elif isinstance(node, ast.DictComp):
            return self._evaluate_table(node)
        raise _NotLiteral(node.lineno)

    def _evaluate_table(self, node: ast.DictComp) -> dict[str, str]:
        """Return a table of requirements by name that is made from the one list in an expression.

        transformers keeps its requirements in a list, from which a regular expression makes `deps`.
        """
        for name in (inner for inner in ast.walk(node) if isinstance(inner, ast.Name)):
            if name.id in self._assigned:
                texts = self.evaluate(name)
                if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
                    named = [(TABLE_NAME.match(text), text) for text in texts]
                    return {found[0]: text for found, text in named if found}
        raise _NotLiteral(node.lineno)
