"""Lists of names in sentences, as the language of this process separates them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleet.language import _, join


def _list_texts(words: Iterable[object]) -> list[str]:
    """Return names as text; messages stay messages, in both languages."""
    return [word if isinstance(word, str) else str(word) for word in words]


def join_words(words: Iterable[object]) -> str:
    """Return "a, b, c".

    Args:
        words: The names.
    """
    # not ", " alone, which separates clauses elsewhere
    return join(_("{word}, {next}", word="", next=""), _list_texts(words))


def join_pair(words: Iterable[object]) -> str:
    """Return "a and b".

    Args:
        words: The names.
    """
    return join(_("{word} and {next}", word="", next=""), _list_texts(words))


def join_parts(parts: Iterable[str]) -> str:
    """Return "4 of 8 done, 2 at work": parts of a sentence, which commas of names would mix up.

    Args:
        parts: The parts.
    """
    return join(_("{part}, {next}", part="", next=""), parts)


def join_clauses(clauses: Iterable[str]) -> str:
    """Return "install docker; start docker".

    Args:
        clauses: What could be a sentence each.
    """
    return join(_("{clause}; {next}", clause="", next=""), clauses)


def join_alternatives(words: Iterable[object]) -> str:
    """Return "a, b or c".

    Args:
        words: The names.
    """
    names = _list_texts(words)
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
