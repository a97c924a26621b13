"""Values that a Python module assigns, found without running it."""

from __future__ import annotations

import ast
import re
from typing import Any

#: A requirement in a table: transformers keys its table by the name before the version.
TABLE_NAME = re.compile(r"[^!=<>~;\[ ]+")


class NotLiteral(Exception):
    """A value that is known only when the program runs.

    Attributes:
        line: line of the expression.
    """

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class ModuleValues:
    """Values of a module that are known without running it.

    Args:
        module: the module.
    """

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
        """Return the value of an expression.

        Args:
            node: the expression.

        Raises:
            NotLiteral: only running the program would show it.
        """
        self._depth += 1
        try:
            if self._depth > 50:
                raise NotLiteral(node.lineno)
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
        raise NotLiteral(node.lineno)

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
        raise NotLiteral(node.lineno)
