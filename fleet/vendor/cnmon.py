"""Parser of the output of the vendor's `cnmon`, whose exit status is always 0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fleet.language import _

#: Core state of a card that works.
CARD_RUNNING = "CN_RUNNING"

_HEADER = re.compile(r"\|\s*CNMON v?(\d+(?:\.\d+)+)\s+(?:Driver\s+v?(\S+)\s+)?\|")
_FIRST_ROW = re.compile(
    r"\|\s*(?P<number>\d+)\s+\S+\s+(?P<name>\S+)\s+v?(?P<firmware>\S+)\s*"
    r"\|\s*(?P<middle>[^|]*?)\s*\|\s*(\S+)\s+(?P<ecc>\S+)\s*\|"
)
_SECOND_ROW = re.compile(r"\|[^|]*W/[^|]*\|\s*(\S+) MiB/\s*(?P<memory>\S+) MiB\s*\|[^|]*\|")
_VERSION = re.compile(r"\d+(\.\d+)+")


class UnreadableOutput(ValueError):
    """`cnmon` reported that it cannot see the cards, or printed an unknown format."""


@dataclass(frozen=True)
class Card:
    """One device; a board may have two. A value that is not printed is None.

    Attributes:
        number: Its index, as in /dev/cambricon_dev0.
        name: Card model.
        firmware: Firmware version.
        address: PCI address such as 0000:39:00.0.
        driver: Version of the driver that it runs with.
        memory_mib: Memory in MiB.
        ecc: Whether inline ECC is enabled, which occupies part of the memory.
    """

    number: int
    name: str
    firmware: str
    address: str | None
    driver: str | None
    memory_mib: int | None
    ecc: bool


@dataclass(frozen=True)
class Table:
    """The table that `cnmon` prints without arguments.

    Attributes:
        tool_version: Version of `cnmon`.
        driver: Version of the loaded driver; None if it is not printed.
        cards: The cards, in the order of their numbers.
    """

    tool_version: str
    driver: str | None
    cards: tuple[Card, ...]


def parse(lines: Iterable[str]) -> Table:
    """Parse the output of `cnmon` v4.20 or v5 without arguments.

    Args:
        lines: The output; other text before and after the table is ignored.

    Returns:
        The last table in the output.

    Raises:
        UnreadableOutput: `cnmon` printed an error, an incomplete table or unknown columns.
    """
    text = [line.rstrip() for line in lines]
    if error := next((line for line in text if "CNDEV_ERROR" in line), None):
        raise UnreadableOutput(error.strip())
    headers = [(n, head) for n, line in enumerate(text) if (head := _HEADER.fullmatch(line))]
    if not headers:
        raise UnreadableOutput(_("no cnmon table in the output"))
    begin, head = headers[-1]
    body = text[begin + 1 :]
    end = next((n for n, line in enumerate(body) if line.startswith("| Processes:")), None)
    if end is None:
        raise UnreadableOutput(_("the cnmon table is incomplete"))
    body = body[:end]
    titles = next((line for line in body if "Firmware" in line), "").split("|")
    middle = titles[2].split() if len(titles) > 2 else []
    if middle not in (["Bus-Id"], ["Inited", "Driver"]):
        raise UnreadableOutput(
            _(
                "unknown columns of cnmon {version}: {columns}",
                version=head[1],
                columns=" ".join(middle),
            )
        )
    cards = tuple(_parse_cards(body, "Inited" in middle))
    drivers = {_parse_version(head[2])} if head[2] else {card.driver for card in cards}
    return Table(head[1], drivers.pop() if len(drivers) == 1 else None, cards)


def _parse_cards(body: list[str], has_driver: bool) -> Iterator[Card]:
    """Parse two rows per card.

    Args:
        body: Lines between the header and the processes.
        has_driver: Whether the middle column has the driver's version (v4.20) and not the PCI
            address (v5).
    """
    rows = [
        line
        for line in body
        if line.startswith("|")
        and "Firmware" not in line
        and "Pwr:Usage" not in line
        and not line.startswith("|=")
    ]
    if len(rows) % 2:
        raise UnreadableOutput(_("incomplete card: {line}", line=rows[-1].strip()))
    for number, (upper, lower) in enumerate(zip(rows[::2], rows[1::2], strict=True)):
        first, second = _FIRST_ROW.fullmatch(upper), _SECOND_ROW.fullmatch(lower)
        if not first or not second or int(first["number"]) != number:
            raise UnreadableOutput(
                _("card {number} cannot be parsed: {line}", number=number, line=upper.strip())
            )
        words, memory = first["middle"].split(), second["memory"]
        last = words[-1] if words else ""
        yield Card(
            number=number,
            name=first["name"],
            firmware=first["firmware"],
            address=last if not has_driver and last not in ("", "N/A") else None,
            driver=_parse_version(last) if has_driver else None,
            memory_mib=int(memory) if memory.isascii() and memory.isdigit() else None,
            ecc=first["ecc"] != "N/A",
        )


def _parse_version(text: str | None) -> str | None:
    version = (text or "").removeprefix("v")
    return version if _VERSION.fullmatch(version) else None
