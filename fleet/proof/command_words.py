"""Read which files and folders a command names, as far as its words tell.

A shell's text is read as a list of simple commands. What needs a shell to be understood, such as a
variable or a loop, is not read, and is said to be so.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from fleet.language import _

SHELLS = ("sh", "bash", "dash")
PYTHON_NAME = re.compile(r"python(\d(\.\d+)?)?")
#: Options of Python whose value is the next word.
PYTHON_VALUE_OPTIONS = ("-W", "-X", "--check-hash-based-pycs")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
#: Words before a command that change nothing about the files that it names.
WRAPPERS = ("exec", "env", "nohup", "time", "command", "nice", "stdbuf", "timeout")
#: Programs that may make the files that a later command names.
FILE_MAKERS = ("cp", "mv", "ln", "mkdir", "install", "tar", "unzip", "git", "wget", "curl", "touch")
#: Programs whose arguments are no files, or that print them.
SILENT = ("export", "set", "unset", "ulimit", "umask", "true", ":", "sleep", "test", "[")
PRINTERS = ("echo", "printf")
KEYWORDS = ("if", "for", "while", "until", "case", "function", "{", "!", "do", "then", "[[")
OPERATOR = re.compile(r"[();<>|&]+")
#: Characters that a shell replaces.
EXPANDED = re.compile(r"[$`*?~]")
#: A value that is meant as the path of a file: absolute, relative by its dots, or with a suffix.
PATH_VALUE = re.compile(r"/.+|\.{1,2}/.*|[^/\s].*/[^/\s]*\.[A-Za-z]\w{0,11}")


class PathUse(Enum):
    """What a command does with a path."""

    PROGRAM = "program"
    SCRIPT = "script"
    FOLDER = "folder"
    ARGUMENT = "argument"


@dataclass(frozen=True)
class NamedPath:
    """A path that a command names.

    Attributes:
        word: the word of the command.
        path: the absolute path.
        use: what the command does with it.
        may_be_made: whether an earlier part of the command may make it.
    """

    word: str
    path: str
    use: PathUse
    may_be_made: bool = False


@dataclass
class ReadCommand:
    """What is known of a command.

    Attributes:
        workdir: folder in which the last of its parts runs; None if that cannot be known.
        paths: the paths that it names.
        code: Python code on its command line.
        printed: words that it prints itself.
        unread: the parts that could not be read, each as a clause.
    """

    workdir: str | None
    paths: list[NamedPath] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    _makes_files: bool = False

    @property
    def scripts(self) -> list[str]:
        """Absolute paths of the scripts that it runs."""
        return [named.path for named in self.paths if named.use is PathUse.SCRIPT]

    def read_words(self, words: list[str]) -> None:
        """Read a command that runs without a shell.

        Args:
            words: program and arguments.
        """
        words = _skip_wrappers(words)
        if not words:
            return
        program, arguments = words[0], words[1:]
        name = posixpath.basename(program)
        if "/" in program:
            is_script = program.endswith((".py", ".sh"))
            self._add(program, PathUse.SCRIPT if is_script else PathUse.PROGRAM)
        if PYTHON_NAME.fullmatch(name):
            self._read_python(arguments)
        elif name in SHELLS:
            self._read_shell(arguments)
        elif name == "cd":
            self._change_folder(arguments)
        elif name in (".", "source") and arguments:
            self._add(arguments[0], PathUse.SCRIPT)
        elif name in PRINTERS:
            self.printed.append(" ".join(arguments))
        elif name in FILE_MAKERS:
            self._makes_files = True
        elif name not in SILENT:
            self._read_arguments(arguments)

    def _read_python(self, arguments: list[str]) -> None:
        position = 0
        while position < len(arguments) and arguments[position].startswith("-"):
            option = arguments[position]
            if option in ("-c", "-m"):
                value = arguments[position + 1 : position + 2]
                if option == "-c":
                    self.code += value
                else:
                    self.unread.append(
                        _("which file the module {module} is", module=" ".join(value))
                    )
                return self._read_arguments(arguments[position + 2 :])
            position += 2 if option in PYTHON_VALUE_OPTIONS else 1
        if position < len(arguments):
            self._add(arguments[position], PathUse.SCRIPT)
            self._read_arguments(arguments[position + 1 :])

    def _read_shell(self, arguments: list[str]) -> None:
        flags = [word for word in arguments if word.startswith("-")]
        others = arguments[len(flags) :]
        if any("c" in flag.lstrip("-") for flag in flags if not flag.startswith("--")):
            self.read_shell_text(others[0] if others else "")
        elif others:
            self._add(others[0], PathUse.SCRIPT)
            self._read_arguments(others[1:])

    def read_shell_text(self, text: str) -> None:
        """Read a command line of a shell.

        Args:
            text: the command line.
        """
        lexer = shlex.shlex(text.replace("\n", " ; "), posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, "#"
        try:
            tokens = list(lexer)
        except ValueError as error:
            self.unread.append(_("the shell's text ({error})", error=error))
            return
        for words in _split_commands(tokens):
            if words[0] in KEYWORDS or words[0].startswith("("):
                self.unread.append(_("the shell's text from {word!r} on", word=words[0]))
                return
            self.read_words(words)

    def _change_folder(self, arguments: list[str]) -> None:
        folders = [word for word in arguments if not word.startswith("-")]
        named = self._add(folders[0], PathUse.FOLDER) if folders else None
        self.workdir = named.path if named else None

    def _read_arguments(self, arguments: Iterable[str]) -> None:
        """Add the arguments that are meant as paths."""
        for argument in arguments:
            if argument.endswith((".py", ".sh")) and not argument.startswith("-"):
                self._add(argument, PathUse.SCRIPT)
                continue
            value = argument.partition("=")[2] if argument.startswith("-") else argument
            if "://" in value or value.startswith(("{", "[")):
                continue
            for part in value.split(":"):
                if PATH_VALUE.fullmatch(part):
                    self._add(part, PathUse.ARGUMENT)

    def _add(self, word: str, use: PathUse) -> NamedPath | None:
        if EXPANDED.search(word):
            self.unread.append(_("what {word} is to the shell", word=word))
            return None
        if not word.startswith("/") and self.workdir is None:
            self.unread.append(_("where {word} is", word=word))
            return None
        path = posixpath.normpath(posixpath.join(self.workdir or "/", word))
        named = NamedPath(word, path, use, self._makes_files)
        self.paths.append(named)
        return named


def read_command(words: Iterable[str], workdir: str) -> ReadCommand:
    """Read a command.

    Args:
        words: Program and arguments.
        workdir: Folder in which it runs.

    Returns:
        What is known of it.
    """
    read = ReadCommand(workdir)
    read.read_words(list(words))
    return read


def _skip_wrappers(words: list[str]) -> list[str]:
    """Drop assignments, and programs that run the rest of the words."""
    while words:
        if ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        elif words[0] in WRAPPERS:
            is_timeout = words[0] == "timeout"
            words = words[1:]
            while words and (words[0].startswith("-") or (is_timeout and _is_duration(words[0]))):
                words = words[1:]
        else:
            break
    return words


def _is_duration(word: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?[smhd]?", word) is not None


def _split_commands(tokens: list[str]) -> list[list[str]]:
    """Split the words of a shell's text into simple commands, without redirections."""
    commands: list[list[str]] = [[]]
    is_target = False
    for token in tokens:
        if is_target:
            is_target = False
        elif not OPERATOR.fullmatch(token):
            commands[-1].append(token)
        elif "<" in token or ">" in token:
            is_target = True
            if commands[-1] and commands[-1][-1].isdigit():
                commands[-1].pop()
        elif "(" in token or ")" in token:
            commands[-1].append(token)
        else:
            commands.append([])
    return [words for words in commands if words]
