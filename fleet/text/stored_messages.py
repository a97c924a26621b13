"""Messages that a file has in English, such as a lock file, in the language of who reads them now.

The file has the text only, with names and numbers in it, and not which message it was made of. So
it is compared with all messages; what is none of them, such as the words of pip, stays as it is.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from fleet.language import Message, list_messages

#: letters of its own by which a message is recognized; fewer are not enough without known parts
MIN_LETTERS = 8
#: messages within messages
MAX_DEPTH = 3

Parts = list[tuple[str, str | None]]


def translate_stored(text: str) -> str:
    """Return a text in the language of this process, as far as it is made of messages.

    Args:
        text: The text in English.
    """
    translated = _translate(text, MAX_DEPTH)
    return text if translated is None else Message(translated, text)


def _translate(text: str, depth: int) -> str | None:
    """Return the translation of a text by the message that has most of it; None if none has."""
    matches = sorted(_find_matches(text), key=lambda match: -match[0])
    for letters, values, translation in matches:
        if not values:
            return translation
        known = {
            name: _translate(value, depth - 1) if depth else None for name, value in values.items()
        }
        if letters >= MIN_LETTERS or any(known.values()):
            return _fill(translation, {name: known[name] or values[name] for name in values})
    return None


def _find_matches(text: str) -> Iterator[tuple[int, dict[str, str], str]]:
    """Yield the messages that a text may be, with the letters that they have in common."""
    for message, translation in list_messages():
        if message == text:
            yield len(text), {}, translation
            continue
        first, last = message.partition("{")[0], message.rpartition("}")[2]
        # most messages are left out by this alone
        if "{" not in message or not (text.startswith(first) and text.endswith(last)):
            continue
        parts = _split(message)
        if match := re.fullmatch(_build_pattern(parts), text, re.DOTALL):
            letters = sum(map(str.isalpha, "".join(literal for literal, _name in parts)))
            yield letters, match.groupdict(), translation


def _split(message: str) -> Parts:
    """Return the parts of a message: what it says, and the name of the value that follows."""
    try:
        return [(literal, name) for literal, name, *_rest in string.Formatter().parse(message)]
    except ValueError:  # braces that mean themselves
        return []


def _build_pattern(parts: Parts) -> str:
    pattern, seen = "", set()
    for literal, name in parts:
        pattern += re.escape(literal)
        if name is not None:
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
            seen.add(name)
    return pattern


def _fill(translation: str, values: dict[str, str]) -> str:
    return "".join(
        literal + (values.get(name, "") if name else "") for literal, name in _split(translation)
    )
