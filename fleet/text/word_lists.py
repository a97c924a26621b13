"""Lists of names in sentences, as the language of this process separates them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleet.language import _, join


def join_words(words: Iterable[object]) -> str:
    """Return "a, b, c".

    Args:
        words: The names.
    """
    # not ", " alone, which separates clauses elsewhere
    return join(_("{word}, {next}", word="", next=""), map(str, words))


def join_pair(words: Iterable[object]) -> str:
    """Return "a and b".

    Args:
        words: The names.
    """
    return join(_("{word} and {next}", word="", next=""), map(str, words))


def join_alternatives(words: Iterable[object]) -> str:
    """Return "a, b or c".

    Args:
        words: The names.
    """
    names = list(map(str, words))
    if len(names) < 2:
        return "".join(names)
    return _("{words} or {last}", words=join_words(names[:-1]), last=names[-1])


def join_some(words: Sequence[object], limit: int) -> str:
    """Return "a, b and 3 more".

    Args:
        words: The names.
        limit: Names that are shown; the others are counted.
    """
    shown = join_words(words[:limit])
    if not words[limit:]:
        return shown
    return _("{words} and {count} more", words=shown, count=len(words) - limit)
