"""Texts of generated pages: Markdown whose paragraphs, headings and list items are messages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.language import ENGLISH, _, current_language

FENCE = "```"
#: of a heading or an item of a list
MARK = re.compile(r"(#+|-) ")


def list_messages(text: str) -> Iterator[str]:
    """Yield the messages of a text, each on one line.

    Args:
        text: Markdown, in English.
    """
    for block in _split_blocks(text):
        if not block.startswith(FENCE):
            yield _split_mark(block)[1]


def translate_page(text: str) -> str:
    """Return a text in the language of this process; English as it is.

    Args:
        text: Markdown, in English.
    """
    if current_language() == ENGLISH:
        return text
    translated, before = "", ""
    for block in _split_blocks(text):
        mark, message = _split_mark(block)
        shown = block if block.startswith(FENCE) else mark + _(message)
        # items of one list follow each other
        is_next_item = mark == "- " and before == mark
        translated += ("\n" if is_next_item else "\n\n") + shown
        before = mark
    return translated.strip() + ("\n" if text.endswith("\n") else "")


def _split_blocks(text: str) -> Iterator[str]:
    for part in text.strip().split("\n\n"):
        if part.startswith("- "):
            yield from re.split(r"\n(?=- )", part)
        else:
            yield part


def _split_mark(block: str) -> tuple[str, str]:
    mark = match[0] if (match := MARK.match(block)) else ""
    return mark, " ".join(block.removeprefix(mark).split())
