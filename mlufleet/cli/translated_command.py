"""Commands whose help is shown in the language of the process; they stay as they are in English."""

from __future__ import annotations

import gettext
import os
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem
from typing_extensions import override

from fleet.language import CHINESE, ENGLISH, LOCALE_FOLDER, current_language, use_language
from mlufleet.cli.help_texts import (
    translate_command,
    translate_option_help,
    translate_short_help,
)

LANGUAGE_OPTION = "--lang"
#: the catalog of what click says
CLICK_DOMAIN = "mlufleet-click"


def choose_language(arguments: Sequence[str]) -> None:
    """Choose the language of the process, before click reads its arguments and shows help.

    Args:
        arguments: Arguments of the `mlufleet` command.
    """
    given = find_language_option(arguments)
    if given is not None:
        use_language(given)
    if current_language() != ENGLISH:
        _translate_click()


def find_language_option(arguments: Sequence[str]) -> str | None:
    """Return the value of `--lang`, which stands before the name of the command.

    Args:
        arguments: Arguments of the `mlufleet` command.
    """
    for index, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name == LANGUAGE_OPTION:
            return value if equals else next(iter(arguments[index + 1 :]), None)
        if not word.startswith("-"):
            break
    return None


def _translate_click() -> None:
    """Give click a catalog: it has its words from Python's gettext, by domain and LANGUAGE."""
    gettext.bindtextdomain(CLICK_DOMAIN, str(LOCALE_FOLDER))
    gettext.textdomain(CLICK_DOMAIN)
    os.environ["LANGUAGE"] = CHINESE


class TranslatedContext(click.Context):
    """The context of a command, which formats Chinese help by the width of its characters."""

    @override
    def make_formatter(self) -> click.HelpFormatter:
        if current_language() == ENGLISH:
            return super().make_formatter()
        from mlufleet.cli.wide_formatter import WideFormatter

        return WideFormatter(width=self.terminal_width, max_width=self.max_content_width)


class TranslatedCommand(click.Command):
    """A command whose help is shown in the language of the process."""

    context_class = TranslatedContext

    @override
    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shown = self if current_language() == ENGLISH else translate_command(self, ctx)
        super(TranslatedCommand, shown).format_help(ctx, formatter)

    @override
    def get_short_help_str(self, limit: int = 45) -> str:
        if current_language() == ENGLISH:
            return super().get_short_help_str(limit)
        return translate_short_help(self.help or "")

    @override
    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        items = super().shell_complete(ctx, incomplete)
        for item in items:
            item.help = item.help and translate_option_help(item.help)
        return items
