"""Lines of text that fit a terminal: Chinese characters are two cells wide, and break anywhere.

Help is shown without `rich`, which starts slowly; a regular expression with a range of all Chinese
characters would take longer to compile than help to print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import category, east_asian_width

#: punctuation that begins no line, and such that ends none
CLOSING, OPENING = "，。、；：？！）》」』】”’…),.:;?!]", "（《「『【“‘(["
WORDS = re.compile(r"\s+|\S+")
#: no character up to this one is wide
LAST_NARROW = "\u10ff"
#: categories of characters that have no cell of their own: marks upon others, and signs for layout
UPON_OTHERS = ("Mn", "Me", "Cf")


def measure_cells(text: str) -> int:
    """Return how many cells of a terminal a text takes.

    Args:
        text: One line.
    """
    return len(text) if text.isascii() else sum(map(_measure_character, text))


def wrap_cells(text: str, width: int, later: str = "", *, is_folded: bool = False) -> list[str]:
    """Return a text as lines of at most so many cells.

    Args:
        text: The text, a single line.
        width: Cells of a line.
        later: Beginning of all lines but the first one.
        is_folded: A longer word is broken; else it has a line of its own.
    """
    lines, line, taken = [], "", 0
    for piece in _split_text(text):
        size = measure_cells(piece)
        if taken + size <= width:
            line += piece
            taken += size
            continue
        if line.strip():
            lines.append(line.rstrip())
            line = later
        line += piece.lstrip()
        if is_folded:
            *whole, line = _fold_word(line, max(width, measure_cells(later) + 2))
            lines += whole
        taken = measure_cells(line)
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _measure_character(character: str) -> int:
    if _is_wide(character):
        return 2
    return 0 if category(character) in UPON_OTHERS else 1


def _is_wide(character: str) -> bool:
    return character > LAST_NARROW and east_asian_width(character) in "WF"


def _split_text(text: str) -> Iterator[str]:
    """Yield what stays together: blanks, a word, a wide character and punctuation around it."""
    for word in WORDS.findall(text):
        if word.isascii():
            yield word
            continue
        start = 0
        for end in range(1, len(word)):
            if _can_break(word[end - 1], word[end]):
                yield word[start:end]
                start = end
        yield word[start:]


def _can_break(before: str, after: str) -> bool:
    if before in OPENING or after in CLOSING:
        return False
    return _is_wide(before) or _is_wide(after)


def _fold_word(word: str, width: int) -> list[str]:
    lines, taken = [""], 0
    for character in word:
        size = _measure_character(character)
        if taken + size > width:
            lines.append("")
            taken = 0
        lines[-1] += character
        taken += size
    return lines
