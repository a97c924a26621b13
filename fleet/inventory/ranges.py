"""Ranges in names: `mlu[01-40].rack[1-2]` is eighty hosts, as its author would write them out."""

from __future__ import annotations

import re
from itertools import product
from typing import Any, NamedTuple

#: hosts of one inventory; more is a slip of the keyboard
MAX_HOSTS = 10_000

RANGE_PATTERN = re.compile(r"([0-9]{1,9}|[a-z]|[A-Z])-([0-9]{1,9}|[a-z]|[A-Z])(?::([0-9]{1,9}))?")
#: `{name}`, `{1}` and `{1:d}`, but neither `${HOME}` nor `{{ this }}`
PLACEHOLDER = re.compile(r"(?<![${])\{([A-Za-z_]\w*|[0-9]+)(:d)?\}", re.ASCII)


class ExpandedName(NamedTuple):
    name: str
    #: what each bracket stood for
    bracket_values: tuple[str, ...]


def expand_pattern(pattern: str) -> list[ExpandedName]:
    """The names of a pattern, the last bracket counting fastest.

    :raises ValueError: a bracket is wrong, or the names are too many
    """
    pieces = re.split(r"\[([^\[\]]*)\]", pattern)
    texts, brackets = pieces[::2], pieces[1::2]
    if any("[" in text or "]" in text for text in texts):
        raise ValueError(f"{pattern[:80]!r}: a bracket is not closed, not opened, or in another")
    size, choices = 1, []
    for bracket in brackets:
        choices.append(_expand_bracket(bracket))
        size *= len(choices[-1])
        if size > MAX_HOSTS:
            raise ValueError(f"{pattern[:80]!r} is more than {MAX_HOSTS} hosts")
    return [ExpandedName(_join_name(texts, parts), parts) for parts in product(*choices)]


def _join_name(texts: list[str], parts: tuple[str, ...]) -> str:
    return texts[0] + "".join(a + b for a, b in zip(parts, texts[1:], strict=True))


def _expand_bracket(bracket: str) -> list[str]:
    found: list[str] = []
    for item in bracket.split(","):
        try:
            found += _expand_item(item)
        except ValueError as error:
            raise ValueError(f"[{bracket[:80]}]: {error}") from error
        if len(found) > MAX_HOSTS:
            raise ValueError(f"[{bracket[:80]}] is more than {MAX_HOSTS} hosts")
    return found


def _expand_item(item: str) -> list[str]:
    """:raises ValueError: it is neither a word nor a span that can be meant"""
    if re.fullmatch(r"[A-Za-z0-9_.]+", item):
        return [item]
    if not (match := RANGE_PATTERN.fullmatch(item)):
        raise ValueError("write [01-40], [1-9:2], [a-f] or [a,c,e]")
    first, last, step = match[1], match[2], int(match[3] or 1)
    if step == 0:
        raise ValueError("a step of 0 never ends")
    letters = first.isalpha()
    if letters != last.isalpha() or first.islower() != last.islower():
        raise ValueError(f"{first} and {last} are of different kinds")
    padded = any(text[0] == "0" != text for text in (first, last))
    if padded and len(first) != len(last):
        raise ValueError(f"{first} and {last} differ in their width")
    low, high = (ord(first), ord(last)) if letters else (int(first), int(last))
    if low > high:
        raise ValueError(f"{last} comes before {first}")
    if (high - low) // step >= MAX_HOSTS:
        raise ValueError(f"more than {MAX_HOSTS} hosts")
    width = len(first) if padded else 1
    return [chr(n) if letters else f"{n:0{width}}" for n in range(low, high + 1, step)]


def fill_placeholders(value: Any, host: ExpandedName) -> Any:
    """A value with `{name}` and `{1}`… of a host in it; also inside of lists and mappings.

    `{1:d}` is the number without its zeros: 10.0.0.010 is another address than 10.0.0.10.

    :raises ValueError: it names what the host's pattern does not have
    """
    if isinstance(value, dict):
        return {key: fill_placeholders(item, host) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(fill_placeholders(item, host) for item in value)
    if not isinstance(value, str):
        return value
    known = {"name": host.name, **{str(n): part for n, part in enumerate(host.bracket_values, 1)}}

    def said(match: re.Match[str]) -> str:
        if match[1] not in known:
            have = ", ".join(f"{{{name}}}" for name in known)
            raise ValueError(f"{match[0][:80]} stands for nothing; here there are {have}")
        text = known[match[1]]
        if match[2] and not text.isdigit():
            raise ValueError(f"{match[0]}: {text[:80]} is not a number")
        return str(int(text)) if match[2] else text

    return PLACEHOLDER.sub(said, value)
