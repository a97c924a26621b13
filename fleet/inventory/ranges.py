"""Ranges in host names: `mlu[01-40].rack[1-2]` stands for eighty hosts.

The syntax is that of ClusterShell's NodeSet, with letters and placeholders added.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Any, NamedTuple

from fleet.language import _
from fleet.text import word_lists

#: bound of the hosts of an inventory; more than this is a typing error
MAX_HOSTS = 10_000

RANGE_PATTERN = re.compile(r"([0-9]{1,9}|[a-z]|[A-Z])-([0-9]{1,9}|[a-z]|[A-Z])(?::([0-9]{1,9}))?")
#: `{name}`, `{1}` and `{1:d}`, but neither `${HOME}` nor `{{ this }}`
PLACEHOLDER = re.compile(r"(?<![${])\{([A-Za-z_]\w*|[0-9]+)(:d)?\}", re.ASCII)


class ExpandedName(NamedTuple):
    """A host name of a pattern.

    Attributes:
        name: the name.
        bracket_values: the value of each bracket in the name.
    """

    name: str
    bracket_values: tuple[str, ...]


def expand_pattern(pattern: str) -> list[ExpandedName]:
    """Expand a pattern.

    Args:
        pattern: a name with any number of brackets.

    Returns:
        The names; the last bracket changes fastest.

    Raises:
        ValueError: a bracket is invalid, or there are too many names.
    """
    texts_and_brackets = re.split(r"\[([^\[\]]*)\]", pattern)
    texts, brackets = texts_and_brackets[::2], texts_and_brackets[1::2]
    if any("[" in text or "]" in text for text in texts):
        raise ValueError(_("{pattern!r}: unbalanced or nested brackets", pattern=pattern[:80]))
    size, choices = 1, []
    for bracket in brackets:
        choices.append(_expand_bracket(bracket))
        size *= len(choices[-1])
        if size > MAX_HOSTS:
            raise ValueError(
                _("{pattern!r} is more than {limit} hosts", pattern=pattern[:80], limit=MAX_HOSTS)
            )
    return [ExpandedName(_join_name(texts, values), values) for values in product(*choices)]


def _join_name(texts: list[str], values: tuple[str, ...]) -> str:
    return texts[0] + "".join(a + b for a, b in zip(values, texts[1:], strict=True))


def _expand_bracket(bracket: str) -> list[str]:
    values: list[str] = []
    for item in bracket.split(","):
        try:
            values += _expand_item(item)
        except ValueError as error:
            raise ValueError(f"[{bracket[:80]}]: {error}") from error
        if len(values) > MAX_HOSTS:
            raise ValueError(
                _("[{bracket}] is more than {limit} hosts", bracket=bracket[:80], limit=MAX_HOSTS)
            )
    return values


def _expand_item(item: str) -> list[str]:
    """Expand a word or a range of numbers or letters."""
    if re.fullmatch(r"[\w.]+", item):
        return [item]
    if not (match := RANGE_PATTERN.fullmatch(item)):
        raise ValueError(
            _("{item!r} is not a range: write [01-40], [1-9:2], [a-f] or [a,c,e]", item=item[:80])
        )
    first, last, step = match[1], match[2], int(match[3] or 1)
    if step == 0:
        raise ValueError(_("the step must be at least 1"))
    letters = first.isalpha()
    if letters != last.isalpha() or first.islower() != last.islower():
        raise ValueError(
            _(
                "{first} and {last} are not both numbers, or letters of the same case",
                first=first,
                last=last,
            )
        )
    padded = any(text[0] == "0" != text for text in (first, last))
    if padded and len(first) != len(last):
        raise ValueError(
            _("{first} and {last} must have the same number of digits", first=first, last=last)
        )
    low, high = (ord(first), ord(last)) if letters else (int(first), int(last))
    if low > high:
        raise ValueError(_("{last} comes before {first}", last=last, first=first))
    if (high - low) // step >= MAX_HOSTS:
        raise ValueError(_("more than {limit} hosts", limit=MAX_HOSTS))
    width = len(first) if padded else 1
    return [chr(n) if letters else f"{n:0{width}}" for n in range(low, high + 1, step)]


def fill_placeholders(value: Any, host: ExpandedName) -> Any:
    """Replace the placeholders `{name}`, `{1}` and `{1:d}` in a value.

    `{1:d}` is a number without leading zeros, because 10.0.0.010 is another address than 10.0.0.10.

    Args:
        value: a text, or lists and mappings of such.
        host: the host.

    Returns:
        A copy with the values of the host.

    Raises:
        ValueError: the host's pattern does not have a placeholder.
    """
    if isinstance(value, dict):
        return {key: fill_placeholders(item, host) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(fill_placeholders(item, host) for item in value)
    if not isinstance(value, str):
        return value
    brackets = {str(number): text for number, text in enumerate(host.bracket_values, 1)}
    values = {"name": host.name, **brackets}

    def replace(match: re.Match[str]) -> str:
        if match[1] not in values:
            available = word_lists.join_words(f"{{{name}}}" for name in values)
            raise ValueError(
                _(
                    "unknown placeholder {placeholder}; available: {available}",
                    placeholder=match[0][:80],
                    available=available,
                )
            )
        text = values[match[1]]
        if match[2] and not text.isdigit():
            raise ValueError(
                _("{placeholder}: {text} is not a number", placeholder=match[0], text=text[:80])
            )
        return str(int(text)) if match[2] else text

    return PLACEHOLDER.sub(replace, value)
