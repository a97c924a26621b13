"""The programs that a smoke test runs, as texts: what they may print, and what they load."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fleet.language import _
from fleet.proof.command_words import ReadCommand, read_command
from fleet.proof.container_files import Presence
from fleet.proof.file_content import ContainerFile, UnreadableContent
from fleet.proof.inputs import ProofInputs

#: Functions and methods that print none of their arguments.
SILENT_FUNCTIONS = frozenset(
    (
        *("add_argument", "open", "from_pretrained", "load", "getattr", "hasattr", "import_module"),
        *("encode", "decode", "startswith", "endswith", "split", "strip", "replace", "to", "get"),
        *("getenv", "join", "exists", "device", "compile", "match", "search", "sub"),
    )
)
PRINTING_LINE = re.compile(r"\s*(?:[^#]*[;&|]\s*)?(?:echo|printf)\b")


@dataclass(frozen=True)
class Script:
    """A program that a command runs.

    Attributes:
        path: absolute path in the container; "" for code on the command line.
        text: its text.
    """

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        """Whether it is Python."""
        return not self.path or self.path.endswith(".py")

    def describe_line(self, line: int) -> str:
        """Describe where a line stands.

        Args:
            line: its number.

        Returns:
            For example "/workspace/demo.py:7".
        """
        return f"{self.path}:{line}" if self.path else _("the code on the command line")


@dataclass(frozen=True)
class CommandScripts:
    """The programs of a command.

    Attributes:
        command: the command.
        scripts: those that can be read.
        unread: the others, each as a clause that says why.
    """

    command: ReadCommand
    scripts: tuple[Script, ...]
    unread: tuple[str, ...]


def read_scripts(inputs: ProofInputs) -> CommandScripts:
    """Read the programs that the smoke test of a release runs, as its patches leave them.

    Args:
        inputs: The files of the release.

    Returns:
        The programs.
    """
    smoke = inputs.release.smoke
    return read_command_scripts(inputs, smoke.command, smoke.workdir)


def read_command_scripts(inputs: ProofInputs, words: Iterable[str], workdir: str) -> CommandScripts:
    """Read the programs that a command runs, as the patches of a release leave them.

    Args:
        inputs: The files of the release.
        words: Program and arguments.
        workdir: Folder in which it runs.

    Returns:
        The programs.
    """
    command = read_command(words, workdir)
    scripts, unread = [Script("", code) for code in command.code], list(command.unread)
    for path in dict.fromkeys(command.scripts):
        found = inputs.patched.files.look_up(path)
        if found.presence is Presence.FILE and found.file is not None:
            try:
                scripts += [Script(path, text) for text in _list_texts(found.file)]
            except UnreadableContent as error:
                unread.append(_("the text of {path}: {error}", path=path, error=error))
        elif found.presence is Presence.UNKNOWN:
            unread.append(_("the text of {path}: {reason}", path=path, reason=found.reason))
    return CommandScripts(command, tuple(scripts), tuple(unread))


def _list_texts(file: ContainerFile) -> list[str]:
    """List the texts that a file may have, each once."""
    return list(dict.fromkeys(file.decode().values()))


def find_printable_texts(script: Script) -> Iterator[tuple[int, str]]:
    """Find the texts in a program that it may print: no comment, no documentation, no name.

    Args:
        script: The program.

    Yields:
        The line and the text.
    """
    tree = parse_python(script)
    if tree is None:
        for number, line in enumerate(script.text.splitlines(), 1):
            if script.is_python or PRINTING_LINE.match(line):
                yield number, line.partition("#")[0]
        return
    silent = {id(node) for holder in ast.walk(tree) for node in _list_silent_nodes(holder)}
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def parse_python(script: Script) -> ast.Module | None:
    """Parse a program.

    Args:
        script: The program.

    Returns:
        Its syntax tree; None if it is no Python, or that of another version.
    """
    if not script.is_python:
        return None
    try:
        return ast.parse(script.text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _list_silent_nodes(node: ast.AST) -> list[ast.AST]:
    """List the parts of a node whose texts are not printed."""
    if isinstance(node, ast.Expr):
        return [node.value]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Subscript):
        return [node.slice]
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key is not None]
    if isinstance(node, ast.Call) and _get_name(node.func) in SILENT_FUNCTIONS:
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    return []


def _get_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def find_loaded_paths(script: Script) -> Iterator[tuple[int, str]]:
    """Find the folders that a program loads a model from, where it names them itself.

    Args:
        script: The program.

    Yields:
        The line and the folder.
    """
    tree = parse_python(script)
    if tree is None:
        return
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _get_name(node.func) == "from_pretrained" and node.args:
            value = node.args[0]
            if isinstance(value, ast.Name):
                value = constants.get(value.id, value)
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield node.lineno, value.value


def find_imported_modules(script: Script) -> set[str]:
    """Find the modules that a program imports, wherever it does.

    Args:
        script: The program.

    Returns:
        The first parts of their names; empty if the program cannot be read as Python.
    """
    tree, names = parse_python(script), set[str]()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
