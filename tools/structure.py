"""Measure how readable the code base is, and fail where a figure is above its limit.

Usage: python tools/structure.py [--list FIGURE]

`make lint` prints the figures. `--list FIGURE` prints what a figure counts, one place a line. When
an area gets better, lower the limit in `LIMITS`: no figure may get worse again.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

import grimp
from importlinter.api import read_configuration
from typing_extensions import override

ROOT = Path(__file__).parents[1]
PACKAGES = ("fleet", "operations", "mlufleet")

#: figure -> the largest value that passes
LIMITS = {
    "one-word public functions (%)": 20,
    "undocumented public parameters (%)": 10,
    "imports against the direction": 0,
    "import cycles": 0,
    "globals that functions write": 0,
    "fmt: skip": 0,
    "type: ignore": 15,
    "functions over 40 lines": 5,
    "texts that are not translated": 219,
    "names in the way of _()": 0,
}

#: Decorators whose function is an interface of its own (a command, a validator, …), not an API.
#: A method that a library or a base class names carries `@override`; mypy demands it.
EXEMPT_DECORATORS = {
    *("operation", "command", "group", "result_callback", "overload", "override", "fixture"),
    *("property", "cached_property", "setter", "getter", "computed_field"),
    *("field_validator", "model_validator", "field_serializer", "model_serializer"),
}
#: Of these, the ones whose callers still pass arguments that a docstring has to explain.
DOCUMENTED_DECORATORS = {"operation"}

MUTABLE_TYPES = {
    *("dict", "list", "set", "defaultdict", "deque", "OrderedDict", "Counter", "bytearray"),
    *("WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "SimpleNamespace"),
}
MUTATING_METHODS = {
    *("append", "appendleft", "extend", "insert", "add", "update", "setdefault", "remove"),
    *("discard", "pop", "popleft", "popitem", "clear"),
}
MAX_FUNCTION_LINES = 40

#: what translates its argument
TRANSLATING = {"_", "n_", "N_"}
#: calls whose texts nobody reads but developers, or that have a translation of their own
UNREAD_CALLS = {
    *("ValueError", "TypeError", "RuntimeError", "NotImplementedError", "AssertionError"),
    *("compile", "debug", "argument", "option", "version_option"),
}
#: keyword arguments of that kind
UNREAD_ARGUMENTS = {"help", "short_help", "pattern", "match"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """A source file and its syntax tree.

    Args:
        name: Dotted name, such as `fleet.release.model`.
        path: The file.
        text: Its content.
    """

    name: str
    path: Path
    text: str
    tree: ast.Module = field(init=False)

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text)

    def locate(self, node: ast.stmt | ast.expr, text: str) -> str:
        """Return `file:line: text`, as editors and linters print places.

        Args:
            node: The part of the tree that is meant.
            text: What is there.
        """
        return f"{self.path.relative_to(ROOT)}:{node.lineno}: {text}"


def load_modules() -> list[Module]:
    """Return the modules of all packages, sorted by file name."""
    modules = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            modules.append(Module(name.removesuffix(".__init__"), path, path.read_text("utf-8")))
    return modules


def decorator_names(function: Function) -> set[str]:
    """Return the last name of each decorator: `command` for `@main.command("x")`.

    Args:
        function: The decorated function.
    """
    names = set()
    for node in function.decorator_list:
        target = node.func if isinstance(node, ast.Call) else node
        if isinstance(target, ast.Attribute):
            names.add(target.attr)
        elif isinstance(target, ast.Name):
            names.add(target.id)
    return names


@dataclass(frozen=True)
class PublicFunction:
    """A function of a module or method of a public class.

    Args:
        module: Where it is defined.
        node: Its definition.
        owner: The class of a method; None for a function.
    """

    module: Module
    node: Function
    owner: ast.ClassDef | None

    @property
    def decorators(self) -> set[str]:
        """Last names of its decorators."""
        return decorator_names(self.node)

    @property
    def place(self) -> str:
        """File, line and name."""
        prefix = f"{self.owner.name}." if self.owner else ""
        return self.module.locate(self.node, prefix + self.node.name)

    def parameters(self) -> list[str]:
        """Return the names of the parameters that a caller passes."""
        arguments = self.node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        if self.owner is not None and "staticmethod" not in self.decorators:
            positional = positional[1:]
        starred = [a for a in (arguments.vararg, arguments.kwarg) if a]
        return [a.arg for a in (*positional, *arguments.kwonlyargs, *starred)]

    def documented(self) -> set[str]:
        """Return the parameters in the `Args:` section of the docstring.

        Those of a constructor may stand in the docstring of its class.
        """
        text = ast.get_docstring(self.node) or ""
        if self.owner is not None and self.node.name == "__init__":
            text += "\n" + (ast.get_docstring(self.owner) or "")
        names: set[str] = set()
        for section in re.findall(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", text, re.MULTILINE):
            indent = re.match(r"[ \t]+", section)
            start = indent.group() if indent else ""
            entry = rf"^{start}\*{{0,2}}(\w+)(?: \(.*?\))?:"
            names |= set(re.findall(entry, section, re.MULTILINE))
        return names


def find_public_functions(modules: list[Module]) -> Iterator[PublicFunction]:
    """Yield the functions at module level and the methods of public classes.

    Args:
        modules: Where to look.
    """
    for module in modules:
        yield from _public_functions(module, module.tree.body, None)


def _public_functions(
    module: Module, body: list[ast.stmt], owner: ast.ClassDef | None
) -> Iterator[PublicFunction]:
    for node in body:
        if isinstance(node, Function):
            if not node.name.startswith("_") or node.name == "__init__":
                yield PublicFunction(module, node, owner)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_functions(module, node.body, node)
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _public_functions(module, node.body, owner)


@dataclass
class Figure:
    """One measured property of the code base.

    Args:
        places: What counts against it, as `file:line: what`.
        total: Of how many that is a share; None where the number itself is the figure.
    """

    places: list[str]
    total: int | None = None

    @property
    def value(self) -> float:
        """The number, or the share in percent."""
        if self.total is None:
            return len(self.places)
        return 100 * len(self.places) / max(self.total, 1)


def measure_one_word_names(modules: list[Module]) -> Figure:
    """Return the public functions whose name is a single word.

    Args:
        modules: The code base.
    """
    functions = [
        function
        for function in find_public_functions(modules)
        if function.node.name != "__init__" and not function.decorators & EXEMPT_DECORATORS
    ]
    short = [function.place for function in functions if "_" not in function.node.name]
    return Figure(short, len(functions))


def measure_undocumented_parameters(modules: list[Module]) -> Figure:
    """Return the parameters of public functions that no `Args:` section explains.

    Args:
        modules: The code base.
    """
    missing, total = [], 0
    for function in find_public_functions(modules):
        if function.decorators & (EXEMPT_DECORATORS - DOCUMENTED_DECORATORS):
            continue
        names = function.parameters()
        total += len(names)
        documented = function.documented()
        missing += [f"{function.place}: {name}" for name in names if name not in documented]
    return Figure(missing, total)


def measure_written_globals(modules: list[Module]) -> Figure:
    """Return module-level names and class attributes that functions rebind or mutate.

    Args:
        modules: The code base.
    """
    places: list[str] = []
    for module in modules:
        writes = _GlobalWrites(module)
        writes.visit(module.tree)
        places += [module.locate(node, text) for text, node in writes.found.items()]
    return Figure(places)


class _GlobalWrites(ast.NodeVisitor):
    """Collects what the functions of one module write outside of themselves."""

    def __init__(self, module: Module) -> None:
        self.found: dict[str, ast.stmt | ast.expr] = {}
        self.containers: set[str] = set()
        self.classes: set[str] = set()
        self.imported: set[str] = set()
        self.scopes: list[set[str]] = []
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                self.classes.add(node.name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if node.value is not None and _is_mutable(node.value):
                    self.containers |= {t.id for t in targets if isinstance(t, ast.Name)}
            elif isinstance(node, ast.ImportFrom) and _is_own(node.module or ""):
                self.imported |= {alias.asname or alias.name for alias in node.names}

    def _visit_function(self, node: Function) -> None:
        if node.name == "__init_subclass__":
            return  # it runs when a module is imported, as what stands outside of functions
        stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and
                  isinstance(n.ctx, ast.Store)}  # fmt: skip
        declared = {name for n in ast.walk(node) if isinstance(n, ast.Global) for name in n.names}
        arguments = {n.arg for n in ast.walk(node.args) if isinstance(n, ast.arg)}
        self.scopes.append((stored | arguments) - declared)
        self.generic_visit(node)
        self.scopes.pop()

    @override
    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    @override
    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    @override
    def visit_Global(self, node: ast.Global) -> None:
        for name in node.names:
            self.found.setdefault(name, node)

    @override
    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATING_METHODS:
            self._check(node.func.value, node)
        self.generic_visit(node)

    @override
    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                self._check_target(part)
        self.generic_visit(node)

    @override
    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._check_target(node.target)
        self.generic_visit(node)

    @override
    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._check_target(target)

    def _check_target(self, target: ast.expr) -> None:
        if isinstance(target, ast.Subscript):
            self._check(target.value, target)
        elif isinstance(target, ast.Attribute) and self.scopes:
            self._check_attribute(target, target)

    def _check(self, container: ast.expr, node: ast.expr) -> None:
        """Record a change of a container if it is a global of this or of another module."""
        if not self.scopes:
            return
        if isinstance(container, ast.Name):
            if container.id in self.containers and self._is_outer(container.id):
                self.found.setdefault(container.id, node)
        elif isinstance(container, ast.Attribute):
            self._check_attribute(container, node)

    def _check_attribute(self, attribute: ast.Attribute, node: ast.expr) -> None:
        holder = attribute.value
        if not isinstance(holder, ast.Name):
            return
        shared = holder.id in self.classes | self.imported and self._is_outer(holder.id)
        if shared or holder.id == "cls":
            self.found.setdefault(f"{holder.id}.{attribute.attr}", node)

    def _is_outer(self, name: str) -> bool:
        return not any(name in scope for scope in self.scopes)


def _is_own(module: str) -> bool:
    return module.split(".")[0] in PACKAGES


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        function = value.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in MUTABLE_TYPES
    return isinstance(value, (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp))


def measure_comments(pattern: str) -> Callable[[list[Module]], Figure]:
    """Return a measure that counts the comments which match a pattern.

    Args:
        pattern: A regular expression for the text of the comment.
    """

    def measure(modules: list[Module]) -> Figure:
        places = []
        for module in modules:
            for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
                if token.type == tokenize.COMMENT and re.search(pattern, token.string):
                    path = module.path.relative_to(ROOT)
                    places.append(f"{path}:{token.start[0]}: {token.string}")
        return Figure(places)

    return measure


def measure_long_functions(modules: list[Module]) -> Figure:
    """Return the functions that have more than `MAX_FUNCTION_LINES` lines; a message is one.

    Args:
        modules: The code base.
    """
    places = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                messages = (n for n in ast.walk(node) if _is_translating(n))
                lines = _count_lines(node) - sum(_count_lines(one) - 1 for one in messages)
                if lines > MAX_FUNCTION_LINES:
                    places.append(module.locate(node, f"{node.name} ({lines} lines)"))
    return Figure(places)


def _is_translating(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in TRANSLATING
    )


def _count_lines(node: ast.stmt | ast.expr) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def measure_untranslated_texts(modules: list[Module]) -> Figure:
    """Return the texts of several words that do not go through `fleet.language`.

    Args:
        modules: The code base.
    """
    places = []
    for module in modules:
        finder = _TextFinder()
        finder.visit(module.tree)
        places += [module.locate(node, text) for node, text in finder.found]
    return Figure(places)


class _TextFinder(ast.NodeVisitor):
    """Collects the texts for people that are not translated: two or more words, not code."""

    def __init__(self) -> None:
        self.found: list[tuple[ast.expr, str]] = []

    @override
    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in TRANSLATING or name in UNREAD_CALLS:
            return
        for part in (*node.args, *(k for k in node.keywords if k.arg not in UNREAD_ARGUMENTS)):
            self.visit(part)
        self.visit(function)

    @override
    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    @override
    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    @override
    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        constants = [one.value for one in node.values if isinstance(one, ast.Constant)]
        self._add(node, " ".join(map(str, constants)))
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part)

    @override
    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._add(node, node.value)

    def _add(self, node: ast.expr, text: str) -> None:
        words = re.findall(r"(?<![\w./$%<{-])[A-Za-z][a-z]+(?![\w/=(>}-])", text)
        if len(words) > 1 and "\n" not in text.strip():
            self.found.append((node, text))


def measure_hidden_gettext(modules: list[Module]) -> Figure:
    """Return where a module that imports `_` for translations binds that name again.

    Args:
        modules: The code base.
    """
    places = []
    for module in modules:
        if not re.search(r"^from fleet.language import .*\b_\b", module.text, re.MULTILINE):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store):
                places.append(module.locate(node, "_ is assigned"))
            if isinstance(node, Function) and node.name == "_":
                places.append(module.locate(node, "_ is defined"))
    return Figure(places)


def _packages() -> list[str]:
    return [package for package in PACKAGES if (ROOT / package / "__init__.py").is_file()]


def measure_illegal_imports(modules: list[Module]) -> Figure:
    """Return the imports that break a `layers` contract of pyproject.toml.

    Args:
        modules: The code base; not used, as the import graph is built from the packages.
    """
    configuration = read_configuration(str(ROOT / "pyproject.toml"))
    graph = grimp.build_graph(*_packages(), cache_dir=None)
    places = set()
    for contract in configuration["contracts_options"]:
        if contract["type"] != "layers":
            continue
        for place in _illegal_imports(graph, contract):
            places.add(place)
    return Figure(sorted(places))


def _illegal_imports(graph: grimp.ImportGraph, contract: dict[str, list[str]]) -> Iterator[str]:
    containers: list[str] = contract.get("containers") or [""]
    for container in containers:
        rank = {}
        for number, layer in enumerate(contract["layers"]):
            for name in re.split(r"[|:]", layer):
                full = f"{container}.{name.strip(' ()')}".lstrip(".")
                rank[full] = (number, full if "|" in layer else "")
        for importer in sorted(graph.modules):
            lower = _layer_of(importer, rank)
            for imported in graph.find_modules_directly_imported_by(importer):
                upper = _layer_of(imported, rank)
                if lower is None or upper is None or lower == upper:
                    continue
                if upper[0] < lower[0] or (upper[0] == lower[0] and upper[1]):
                    yield f"{importer} imports {imported}"


def _layer_of(module: str, rank: dict[str, tuple[int, str]]) -> tuple[int, str] | None:
    while module not in rank:
        module, _, _ = module.rpartition(".")
        if not module:
            return None
    return rank[module]


def measure_cycles(modules: list[Module]) -> Figure:
    """Return the imports that would have to go to break all cycles between siblings.

    Siblings are the packages, the modules of one package, and the packages within one package.

    Args:
        modules: The code base; not used, as the import graph is built from the packages.
    """
    graph = grimp.build_graph(*_packages(), cache_dir=None)
    places = []
    for package in sorted(m for m in graph.modules if graph.find_children(m)):
        for importer, imported in sorted(graph.nominate_cycle_breakers(package)):
            places.append(f"{package}: {importer} imports {imported}")
    return Figure(places)


MEASURES: dict[str, Callable[[list[Module]], Figure]] = {
    "one-word public functions (%)": measure_one_word_names,
    "undocumented public parameters (%)": measure_undocumented_parameters,
    "imports against the direction": measure_illegal_imports,
    "import cycles": measure_cycles,
    "globals that functions write": measure_written_globals,
    "fmt: skip": measure_comments(r"fmt: (skip|off)"),
    "type: ignore": measure_comments(r"type: ignore"),
    "functions over 40 lines": measure_long_functions,
    "texts that are not translated": measure_untranslated_texts,
    "names in the way of _()": measure_hidden_gettext,
}


def main(arguments: list[str]) -> int:
    """Print the figures and return 1 if one is above its limit.

    Args:
        arguments: Those of the command line.
    """
    sys.path.insert(0, str(ROOT))
    modules = load_modules()
    if arguments[:1] == ["--list"]:
        wanted = " ".join(arguments[1:])
        chosen = [measure for name, measure in MEASURES.items() if name.startswith(wanted)]
        print(*(place for measure in chosen for place in measure(modules).places), sep="\n")
        return 0 if chosen else 1
    failed = 0
    for name, measure in MEASURES.items():
        value, limit = measure(modules).value, LIMITS[name]
        above = value > limit
        failed |= above
        print(f"{name:40}{value:8.0f}  limit {limit:4}{'  ABOVE THE LIMIT' if above else ''}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
