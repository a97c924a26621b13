"""What the vendor's `cnmon` prints, read. It ends with 0 whatever happens: only its text tells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: state of a card whose core works, in the driver's own words
CARD_RUNNING = "CN_RUNNING"
_HEADER = re.compile(r"\|\s*CNMON v?(\d+(?:\.\d+)+)\s+(?:Driver\s+v?(\S+)\s+)?\|")
_FIRST_ROW = re.compile(
    r"\|\s*(\d+)\s+\S+\s+(\S+)\s+v?(\S+)\s*\|\s*([^|]*?)\s*\|\s*(\S+)\s+(\S+)\s*\|"
)
_SECOND_ROW = re.compile(r"\|[^|]*W/[^|]*\|\s*(\S+) MiB/\s*(\S+) MiB\s*\|[^|]*\|")
_VERSION = re.compile(r"\d+(\.\d+)+")


class UnreadableOutput(ValueError):
    """It says that it cannot see the cards, or something that is not understood."""


@dataclass(frozen=True)
class Card:
    """One device; a board may be two. What it does not say is None, never a guess."""

    number: int
    name: str
    firmware: str
    #: on the PCI bus: 0000:39:00.0
    address: str | None
    driver: str | None
    #: MiB
    memory_mib: int | None
    #: whether inline ECC is on, which takes a part of the memory
    ecc: bool


@dataclass(frozen=True)
class Table:
    tool_version: str
    #: the loaded one; None where it is not said
    driver: str | None
    cards: tuple[Card, ...]


def parse(lines: Iterable[str]) -> Table:
    """The table of `cnmon` without arguments, of v4.20 and v5, among whatever else was printed.

    :raises Unreadable: an error of its own, a table cut short, or columns that are not known
    """
    text = [line.rstrip() for line in lines]
    if error := next((line for line in text if "CNDEV_ERROR" in line), None):
        raise UnreadableOutput(error.strip())
    begins = [n for n, line in enumerate(text) if _HEADER.fullmatch(line)]
    if not begins:
        raise UnreadableOutput("no table of cnmon")
    head = _HEADER.fullmatch(text[begins[-1]])
    assert head is not None
    body = text[begins[-1] + 1 :]
    ends = [n for n, line in enumerate(body) if line.startswith("| Processes:")]
    if not ends:
        raise UnreadableOutput("the table of cnmon is cut short")
    body = body[: ends[0]]
    titles = next((line for line in body if "Firmware" in line), "").split("|")
    middle = titles[2].split() if len(titles) > 2 else []
    if middle not in (["Bus-Id"], ["Inited", "Driver"]):
        raise UnreadableOutput(f"columns of cnmon {head[1]} that are not known: {' '.join(middle)}")
    cards = tuple(_parse_cards(body, "Inited" in middle))
    drivers = {_parse_version(head[2])} if head[2] else {card.driver for card in cards}
    return Table(head[1], drivers.pop() if len(drivers) == 1 else None, cards)


def _parse_cards(body: list[str], inited: bool) -> Iterable[Card]:
    rows = [
        line
        for line in body
        if line.startswith("|")
        and "Firmware" not in line
        and "Pwr:Usage" not in line
        and not line.startswith("|=")
    ]
    if len(rows) % 2:
        raise UnreadableOutput(f"half a card: {rows[-1].strip()}")
    for n, (one, two) in enumerate(zip(rows[::2], rows[1::2], strict=True)):
        first, second = _FIRST_ROW.fullmatch(one), _SECOND_ROW.fullmatch(two)
        if not first or not second or int(first[1]) != n:
            raise UnreadableOutput(f"card {n} is not understood: {one.strip()}")
        where = first[4].split()
        yield Card(
            number=n,
            name=first[2],
            firmware=first[3],
            address=where[-1] if not inited and where and where[-1] != "N/A" else None,
            driver=_parse_version(where[-1]) if inited and where else None,
            memory_mib=int(second[2]) if second[2].isascii() and second[2].isdigit() else None,
            ecc=first[6] != "N/A",
        )


def _parse_version(text: str | None) -> str | None:
    found = (text or "").removeprefix("v")
    return found if _VERSION.fullmatch(found) else None
