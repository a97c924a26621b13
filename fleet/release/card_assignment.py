"""Which cards of a host belong to which of its releases: "0-3,6" and "chat=0-3 code=4-7"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from fleet.language import _
from fleet.release.model import Release

#: More cards than any known board and server provide.
MAX_CARDS = 64


def parse_cards(value: Any) -> Any:
    """Parse card numbers such as "0-3,6" into (0, 1, 2, 3, 6).

    Args:
        value: A string, a single number, or a list, which is returned unchanged.

    Returns:
        The numbers, as in /dev/cambricon_dev0.

    Raises:
        ValueError: The value is not a list of card numbers.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, (list, tuple)):
        return value
    if value is None:
        raise ValueError(_("no cards given: set the numbers of the cards, such as 0-3,6"))
    if not isinstance(value, str):
        raise ValueError(_("expected card numbers such as 0-3,6, got {value!r}", value=value))
    numbers: list[int] = []
    for part in value.replace(" ", "").split(","):
        if not (match := re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", part)):
            raise ValueError(
                _("expected card numbers such as 0-3,6, got {value!r}", value=value[:80])
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(
                _(
                    "the range {first}-{last} in {value!r} is reversed",
                    first=first,
                    last=last,
                    value=value[:80],
                )
            )
        numbers += range(first, last + 1)
    return tuple(numbers)


def _parse_pairs(value: Any) -> Any:
    """Parse "chat=0-3 code=4-7", as in a CSV inventory or on a command line, into a mapping."""
    if not isinstance(value, str):
        return value
    pairs = [word.partition("=") for word in value.split()]
    if not pairs or not all(name and sign for name, sign, _cards in pairs):
        raise ValueError(
            _(
                "expected releases and their cards such as `chat=0-3 code=4-7`, got {value!r}",
                value=value[:80],
            )
        )
    if len({name for name, _sign, _cards in pairs}) != len(pairs):
        raise ValueError(_("{value!r} names a release twice", value=value[:80]))
    return {name: cards for name, _sign, cards in pairs}


CardNumbers = Annotated[
    tuple[Annotated[int, Field(strict=True, ge=0, lt=MAX_CARDS)], ...],
    BeforeValidator(parse_cards),
    Field(min_length=1),
]
#: Release -> the cards that belong to it.
CardAssignment = Annotated[dict[str, CardNumbers], BeforeValidator(_parse_pairs)]
ASSIGNMENT_ADAPTER: TypeAdapter[dict[str, tuple[int, ...]]] = TypeAdapter(CardAssignment)


def find_overlaps(releases: dict[str, tuple[int, ...]]) -> Iterator[str]:
    """Find cards that are assigned more than once.

    Args:
        releases: Release -> card numbers.

    Yields:
        One message per card.
    """
    owners: dict[int, str] = {}
    for name, numbers in releases.items():
        for number in numbers:
            if number in owners:
                yield _(
                    "card {number} is assigned to both {owner} and {name}",
                    number=number,
                    owner=owners[number],
                    name=name,
                )
            owners[number] = name


def release_key(release: Release) -> str:
    """Return the stable key of a release on a host with several: its container's name.

    Args:
        release: The release.

    Returns:
        The key, which an upgrade of the release does not change.
    """
    return release.container.name
