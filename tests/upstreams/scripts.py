"""What a script takes, asks, loads and prints, and what requirements and settings files have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

#: Stands for a value that the script computes.
COMPUTED = "<computed>"


@dataclass(frozen=True)
class ScriptFacts:
    """The outside of a script or a requirements file, as far as its own literals tell.

    Attributes:
        options: the arguments that its parser knows.
        asks: the prompts of `input`.
        loads: what `from_pretrained`, `torch.load` and `load_weights` load.
        prints: what `print` is given.
        keys: keys of the mappings that it reads; the settings of a YAML file, "key.key=value".
        requires: the lines of a requirements file.
    """

    options: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()
    prints: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: str, text: str) -> ScriptFacts:
        """Read the facts out of a Python script, a requirements file or a YAML file.

        Args:
            file: its path.
            text: its content.

        Returns:
            Each kind of literal once, in the order of the file.

        Raises:
            SyntaxError: it is not Python 3.
        """
        if file.endswith(".txt"):
            return cls(requires=tuple(filter(None, map(str.strip, text.splitlines()))))
        if file.endswith(".yml"):
            return cls(keys=tuple(_flatten(yaml.safe_load(text))))
        found: dict[str, dict[str, None]] = {name: {} for name in cls.__dataclass_fields__}
        tree = ast.parse(text)
        constants = dict(_list_constants(tree))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
            for kind, value in _list_literals(call, constants):
                found[kind][value] = None
        for call in calls:
            if re.fullmatch(r"(\w+|os\.environ)\.get", ast.unparse(call.func)) and call.args:
                key = call.args[0]
                if isinstance(key, ast.Constant):
                    found["keys"][str(key.value)] = None
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                key = node.slice
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found["keys"][key.value] = None
        return cls(**{kind: tuple(values) for kind, values in found.items()})

    @classmethod
    def load(cls, data: dict[str, Any]) -> ScriptFacts:
        """Load the facts of a script from their JSON form.

        Args:
            data: the lists by their names.

        Returns:
            The facts.
        """
        return cls(**{name: tuple(values) for name, values in data.items()})

    def dump(self) -> dict[str, tuple[str, ...]]:
        """Return the lists that are not empty, by their names."""
        return {name: value for name, value in vars(self).items() if value}


def _flatten(value: Any, prefix: str = "") -> Iterator[str]:
    """Yield each setting of a document with the keys that lead to it."""
    if not isinstance(value, dict | list):
        yield f"{prefix.removesuffix('.')}={value}"
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _flatten(item, f"{prefix}{key}.")


def _list_constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of a module that are set to a literal, and the literal."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield from ((ast.unparse(target), str(node.value.value)) for target in node.targets)


def _list_literals(call: ast.Call, constants: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the kind and the value of what a call tells."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    texts = [_find_text(argument, constants) for argument in call.args]
    if name == "add_argument":
        yield from (("options", text) for text in texts)
    elif name == "input":
        yield "asks", "".join(texts[:1])
    elif name in ("from_pretrained", "load_weights") or ast.unparse(call.func) == "torch.load":
        yield "loads", "".join(texts[:1])
    elif name == "print":
        yield from (("prints", text) for text in texts)


def _find_text(node: ast.expr, constants: dict[str, str]) -> str:
    """Return a literal, the first literal part of a text with values in it, or `COMPUTED`."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        literals = (str(part.value) for part in node.values if isinstance(part, ast.Constant))
        return next(literals, COMPUTED)
    return constants.get(ast.unparse(node), COMPUTED)
