"""What somebody may have meant by a word that is not known: in errors, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

#: words that an error names
MAX_SUGGESTIONS = 3
LEADING_ZEROS = re.compile(r"0+(?=\d)")


def _normalize(word: str) -> str:
    """A word without what is easily mistaken in it: case, zeros, `-`, `_` and blanks."""
    return LEADING_ZEROS.sub("", word.casefold()).replace("_", "-").replace(" ", "-").strip("-")


def find_similar(word: str, known: Iterable[str]) -> list[str]:
    """The known words that are most like one, the likeliest first; none where none is like it."""
    by_plain: dict[str, list[str]] = {}
    for other in known:
        by_plain.setdefault(_normalize(other), []).append(other)
    mine = _normalize(word)
    begins = sorted(other for other in by_plain if len(mine) > 2 and other.startswith(mine))
    close = get_close_matches(mine, by_plain, n=MAX_SUGGESTIONS, cutoff=0.7)
    plain = dict.fromkeys([*([mine] if mine in by_plain else []), *close, *begins])
    return [other for one in plain for other in by_plain[one]][:MAX_SUGGESTIONS]


def format_suggestions(word: str, known: Iterable[str]) -> str:
    """The same as the end of a sentence; "" where none is like it."""
    found = find_similar(word, known)
    return f"; nearest: {', '.join(found)}" if found else ""
