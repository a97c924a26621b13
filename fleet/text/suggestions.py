"""Suggest known names for a misspelled one in error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from fleet.language import _
from fleet.text import word_lists

MAX_SUGGESTIONS = 3
#: Similarity from 0 to 1, as difflib defines it.
MIN_SIMILARITY = 0.7
LEADING_ZEROS = re.compile(r"0+(?=\d)")


def _normalize(word: str) -> str:
    """Drop differences that are easily overlooked: case, zeros, `-`, `_` and blanks."""
    return LEADING_ZEROS.sub("", word.casefold()).replace("_", "-").replace(" ", "-").strip("-")


def find_similar(word: str, candidates: Iterable[str]) -> list[str]:
    """Find the candidates that are most similar to a word.

    Args:
        word: The unknown word.
        candidates: The known words.

    Returns:
        At most :data:`MAX_SUGGESTIONS` candidates, the most similar first; empty if none is
        similar.
    """
    by_normalized: dict[str, list[str]] = {}
    for candidate in candidates:
        by_normalized.setdefault(_normalize(candidate), []).append(candidate)
    normalized = _normalize(word)
    equal = [normalized] if normalized in by_normalized else []
    close = get_close_matches(normalized, by_normalized, MAX_SUGGESTIONS, MIN_SIMILARITY)
    longer = sorted(
        key for key in by_normalized if len(normalized) > 2 and key.startswith(normalized)
    )
    keys = dict.fromkeys([*equal, *close, *longer])
    return [candidate for key in keys for candidate in by_normalized[key]][:MAX_SUGGESTIONS]


def format_suggestions(word: str, candidates: Iterable[str]) -> str:
    """Format similar names as the end of an error message.

    Args:
        word: The unknown word.
        candidates: The known words.

    Returns:
        For example "; nearest: mlu1, mlu11", or "" if none is similar.
    """
    similar = find_similar(word, candidates)
    return _("; nearest: {names}", names=word_lists.join_words(similar)) if similar else ""
