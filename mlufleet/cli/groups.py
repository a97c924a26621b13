"""Click groups of the command line: typo suggestions, former names and clean error messages."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from typing_extensions import override

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.text import suggestions
from mlufleet.cli.translated_command import TranslatedCommand, choose_language
from mlufleet.run.error_exit import exit_on_error
from mlufleet.run.standard_streams import protect_standard_streams


class CommandGroup(TranslatedCommand, click.Group):
    """A group that lists its commands in the order of definition and suggests close names.

    Attributes:
        former_command: The command that had the group's name before it became a group. It runs
            if the first argument is not the name of a command, as in
            ``mlufleet rollout inventories/fleet.py``.
        successor: Name of the command in this group that replaces it.
    """

    command_class = TranslatedCommand
    former_command: click.Command | None = None
    successor = ""

    def replaces_command(self, former_command: click.Command, successor: str) -> None:
        """Keep the former usage of this group's name as a command.

        Args:
            former_command: Command to run if the first argument is not a command of this group.
            successor: Name of the command in this group that replaces it; shown in usage errors.
        """
        self.former_command, self.successor = former_command, successor

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def visible_names(self) -> list[str]:
        """Return the names of the commands that help lists."""
        return [name for name, command in self.commands.items() if not command.hidden]

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_option = bool(args) and args[0].startswith("-")
        if self.former_command and is_option and args[0] not in ctx.help_option_names:
            args = ["--", *args]  # an option of the former command, not of the group
        return super().parse_args(ctx, args)

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0] if args else ""
        if not word or word in self.commands:
            return super().resolve_command(ctx, args)
        close = suggestions.format_suggestions(word, self.visible_names())
        is_argument = word.startswith("-") or os.path.exists(word) or not close
        if self.former_command and is_argument:
            return self.successor, self.former_command, args
        if word.startswith("-"):
            return super().resolve_command(ctx, args)
        raise InvalidInput(
            _("no command {command}{nearest}", command=word, nearest=close)
            if close
            else _(
                "no command {command}; `{program} --help` lists all commands",
                command=word,
                program=ctx.command_path,
            )
        )


class MainGroup(CommandGroup):
    """The top-level group: reports invalid input and I/O errors in one line, without traceback."""

    @override
    def main(self, args: Sequence[str] | None = None, *others: Any, **settings: Any) -> Any:
        protect_standard_streams()
        choose_language(sys.argv[1:] if args is None else args)
        return super().main(args, *others, **settings)

    @override
    def invoke(self, ctx: click.Context) -> object:
        with exit_on_error():
            return super().invoke(ctx)


def add_former_name(group: click.Group, name: str, command: click.Command) -> None:
    """Let a command also be called by its former or another name, which help does not list.

    Args:
        group: Group that had the command, or where it may be looked for.
        name: The name.
        command: The command under its present name.
    """
    alias: Any = copy.copy(command)
    alias.name, alias.hidden = name, True
    group.add_command(alias, name)
