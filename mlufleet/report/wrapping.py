"""Lines of text that fit a terminal: Chinese characters are two cells wide, and break anywhere."""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells

#: characters of East Asian scripts, their punctuation and full-width forms
WIDE = "\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
#: punctuation that begins no line, and such that ends none
CLOSING, OPENING = "，。、；：？！）》」』】”’…", "（《「『【“‘"
#: what stays together: a wide character with the punctuation around it, a word, or blanks
PIECE = re.compile(
    rf"[{OPENING}]*[{WIDE}](?:[{CLOSING}])*|\s+|(?:(?![{OPENING}])[^\s{WIDE}])+[{CLOSING}]*|."
)


def wrap_cells(text: str, width: int, later: str = "  ") -> list[str]:
    """Return a text as lines of at most so many cells; only a longer word is broken.

    Args:
        text: The text, a single line.
        width: Cells of a line.
        later: Beginning of all lines but the first one.
    """
    lines, line = [], ""
    for piece in PIECE.findall(text):
        if cell_len(line) + cell_len(piece) <= width:
            line += piece
            continue
        if line.strip():
            lines.append(line.rstrip())
            line = later
        piece = piece.lstrip()
        if cell_len(line) + cell_len(piece) > width:
            *whole, piece = chop_cells(line + piece, max(width, cell_len(later) + 2))
            lines += whole
            line = ""
        line += piece
    return [*lines, line.rstrip()] if line.strip() or not lines else lines
