"""Help of commands in the language of the process: each paragraph is a message of the catalog."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import TypeVar

import click

from fleet.language import N_, _

#: begins a paragraph that click does not wrap; of ours, only the first line is a message
VERBATIM = "\b\n"
#: what ends the first sentence of a Chinese paragraph
SENTENCE_END = "。"
#: what click shows for the value of an option that names none
TYPE_NAMES = (
    N_("TEXT"),
    N_("INTEGER"),
    N_("INTEGER RANGE"),
    N_("FLOAT"),
    N_("FLOAT RANGE"),
    N_("PATH"),
    N_("FILE"),
    N_("DIRECTORY"),
)

AnyCommand = TypeVar("AnyCommand", bound=click.Command)


def list_help_messages(command: click.Command) -> Iterator[str]:
    """Yield the messages of the help of a command and of those below it, in English.

    Args:
        command: The command or group.
    """
    for paragraph in _split_help(command):
        yield _split_paragraph(paragraph)[1]
    yield from (_join_lines(option.help or "") for option in _list_options(command))
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from list_help_messages(child)


def translate_command(command: AnyCommand, context: click.Context) -> AnyCommand:
    """Return a copy of a command that has its help in the language of the process.

    Args:
        command: The command.
        context: Its context.
    """
    shown = copy.copy(command)
    shown.help = translate_help_text(command.help or "")
    shown.params = [_translate_parameter(one) for one in command.get_params(context)]
    shown.add_help_option = False  # it is among these already
    return shown


def _translate_parameter(parameter: click.Parameter) -> click.Parameter:
    if not isinstance(parameter, click.Option) or not parameter.help:
        return parameter
    shown = copy.copy(parameter)
    shown.help = translate_option_help(parameter.help)
    if shown.metavar is None and (name := shown.type.name.upper()) in TYPE_NAMES:
        shown.metavar = _(name)
    return shown


def translate_short_help(text: str) -> str:
    """Return the first sentence of the help of a command in the language of the process.

    Args:
        text: The help in English.
    """
    first, *_others = translate_help_text(text).split("\n\n")
    return first.split(SENTENCE_END)[0].removesuffix(".")


def translate_help_text(text: str) -> str:
    """Return the help of a command in the language of the process.

    Args:
        text: The help in English, as click has it.
    """
    paragraphs = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        start, message, rest = _split_paragraph(paragraph)
        paragraphs.append(start + _(message) + rest)
    return "\n\n".join(paragraphs)


def translate_option_help(text: str) -> str:
    """Return the help of an option in the language of the process.

    Args:
        text: The help in English.
    """
    return _(_join_lines(text))


def _split_help(command: click.Command) -> list[str]:
    return inspect.cleandoc(command.help).split("\n\n") if command.help else []


def _split_paragraph(paragraph: str) -> tuple[str, str, str]:
    """Return what is before the message of a paragraph, the message, and what is after it."""
    if not paragraph.startswith(VERBATIM):
        return "", _join_lines(paragraph), ""
    first, line_end, rest = paragraph.removeprefix(VERBATIM).partition("\n")
    return VERBATIM, first, line_end + rest


def _list_options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option) and one.help]


def _join_lines(text: str) -> str:
    return " ".join(text.split())
