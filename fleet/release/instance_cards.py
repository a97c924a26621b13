"""The cards that the instances of a release's server name, and that a host may not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fleet.documents.field_errors import Location
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.release import files
from fleet.release.target import ReleaseTarget


def find_missing_cards(target: ReleaseTarget, card_count: int) -> Iterator[str]:
    """Find cards that an instance of a release is to have, and the release has not.

    Args:
        target: The release.
        card_count: Number of cards in the host.

    Yields:
        One message per card, with file, line and field if the release's file is known.
    """
    serve = target.release.serve
    if serve is None or isinstance(serve.each, str):
        return
    count = len(target.card_numbers(card_count))
    for number, group in enumerate(serve.each):
        for card in group:
            if card >= count:
                yield (
                    _(
                        "{place} of {release} names card {card}, and the release has {count} "
                        "on this host, counted from 0",
                        place=_describe_place(target, ("serve", "each", number)),
                        release=target.release.name,
                        card=card,
                        count=count,
                    )
                )


def _describe_place(target: ReleaseTarget, location: Location) -> str:
    if target.file:
        with suppress(InvalidInput):  # it may have been changed meanwhile
            return files.load_document(target.file).describe_place(location)
    return ".".join(map(str, location))
