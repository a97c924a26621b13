"""Which drivers, images, kernels and cards work together, as listed in files/compatibility.yml.

What an image requires is looked up by `fleet.release.image_stack`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from fleet import paths
from fleet.documents import site_tables
from fleet.documents.types import Int, Model, matching
from fleet.language import N_, _
from fleet.release.model import Driver
from fleet.text import word_lists
from fleet.vendor import cnmon

#: Name of the table in `files/`.
COMPATIBILITY_FILE = "compatibility.yml"
#: List in the table -> the field that identifies its rows.
ROW_KEYS = {
    "stacks": "driver",
    "sightings": "driver",
    "engines": "name",
    "kernels": "driver",
    "cards": "subsystem",
}
Version = Annotated[str, matching(r"[0-9]+(\.[0-9]+)+", N_("a version such as 5.10.10"))]
Sources = Annotated[tuple[str, ...], Field(min_length=1)]


class Stack(Model):
    """Versions that were released for use together."""

    #: Driver version.
    driver: Version
    #: Version of the SDK.
    sdk: Version | None = None
    #: Version of Neuware, which names of today's images have.
    neuware: Version | None = None
    #: Version of the CNToolkit.
    cntoolkit: Version | None = None
    #: Versions of Cambricon PyTorch, with which tags of images up to 1.17 begin.
    pytorch: tuple[Version, ...] = ()
    #: Versions of torch_mlu, which tags of later images have.
    torch_mlu: tuple[Version, ...] = ()
    #: Versions of MagicMind.
    magicmind: tuple[Version, ...] = ()
    #: Families of cards that it was published for; none if that is not stated.
    cards: tuple[str, ...] = ()
    #: Where the facts come from.
    sources: Sources


class Sighting(Model):
    """Versions that somebody reports to work together; nothing says that all are required."""

    #: Driver version.
    driver: Version
    #: Versions of torch_mlu.
    torch_mlu: tuple[Version, ...] = ()
    #: Families of cards.
    cards: tuple[str, ...]
    #: Where the facts come from.
    sources: Sources


class Engine(Model):
    """Software in an image that does not support every card."""

    #: What the name of such an image contains.
    name: str
    #: Families of cards that its maintainers exclude.
    unsupported: tuple[str, ...]
    #: Where the facts come from.
    sources: Sources


class CardModel(Model):
    """A card model, known by its PCI subsystem id before any driver is installed."""

    #: PCI subsystem id.
    subsystem: Annotated[str, matching(r"[0-9a-f]{4}", N_("four hexadecimal digits"))]
    #: Name of the model, such as MLU370-X8.
    name: str
    #: Number of PCI devices on one board.
    devices: Annotated[Int, Field(ge=1)] = 1
    #: Minimum memory in MiB, as `cnmon` was seen to show it.
    memory: Annotated[Int, Field(ge=1)] | None = None
    #: Minimum memory in MiB while inline ECC is enabled.
    memory_ecc: Annotated[Int, Field(ge=1)] | None = None
    #: Where the facts come from.
    sources: Sources


class KernelLimit(Model):
    """The newest kernel that a driver and all older ones can be built for."""

    #: Driver version.
    driver: Version
    #: Kernel version.
    newest_kernel: Version
    #: Where the facts come from.
    sources: Sources


class CompatibilityTable(Model):
    """The content of files/compatibility.yml."""

    #: Stacks of software versions.
    stacks: tuple[Stack, ...]
    #: Versions that were seen together.
    sightings: tuple[Sighting, ...] = ()
    #: Software for some cards only.
    engines: tuple[Engine, ...] = ()
    #: Kernel limits of drivers.
    kernels: tuple[KernelLimit, ...]
    #: Card models.
    cards: tuple[CardModel, ...]


def load_table() -> CompatibilityTable:
    """Load the compatibility table, with the site's rows in front of the tool's own.

    Returns:
        The table. A row of the site replaces the one with the same key.

    Raises:
        InvalidInput: A file is invalid.
    """
    files = paths.find_existing(COMPATIBILITY_FILE)
    return site_tables.load_table(CompatibilityTable, files, ROW_KEYS)


def parse_version(version: str) -> tuple[int, ...]:
    """Parse a version, so that versions can be compared.

    Args:
        version: Numbers with dots between them.

    Returns:
        The numbers.
    """
    return tuple(map(int, version.split(".")))


def find_kernel_problem(driver: Driver, kernel: str) -> str:
    """Find out whether a kernel is too new for a driver.

    Args:
        driver: The driver section of a release.
        kernel: Kernel release, as `uname -r` prints it.

    Returns:
        The problem; "" if there is none, or the limit is unknown.
    """
    limits = [
        limit
        for limit in load_table().kernels
        if parse_version(driver.version) <= parse_version(limit.driver)
    ]
    limit = min(limits, key=lambda limit: parse_version(limit.driver), default=None)
    newest = driver.newest_kernel or (limit.newest_kernel if limit else None)
    version = re.match(r"[0-9]+\.[0-9]+", kernel)
    if newest is None or version is None or parse_version(version[0]) <= parse_version(newest):
        return ""
    source = (
        _("the release")
        if driver.newest_kernel or not limit
        else word_lists.join_words(limit.sources)
    )
    return _(
        "{kernel}; driver {version} supports kernels up to {newest} ({source})",
        kernel=kernel,
        version=driver.version,
        newest=newest,
        source=source,
    )


def find_card_model(subsystem: str) -> str:
    """Find the name of a card model.

    Args:
        subsystem: PCI subsystem id.

    Returns:
        The name; "" if the id is unknown.
    """
    return next((card.name for card in load_table().cards if card.subsystem == subsystem), "")


def describe_mixed_models(models: Iterable[str]) -> str:
    """Describe the cards of a host with different models, which the vendor advises against.

    Args:
        models: Model of each card.

    Returns:
        A warning; "" if all cards are of one model.
    """
    counts = Counter(models)
    if len(counts) < 2:
        return ""
    cards = word_lists.join_words(f"{count} {name}" for name, count in counts.items())
    return _(
        "the host has cards of different models ({cards}), which the vendor advises against",
        cards=cards,
    )


def find_partial_boards(subsystems: list[str]) -> list[str]:
    """Find card models of which the PCI bus shows only some of a board's devices.

    Args:
        subsystems: PCI subsystem id of each device.

    Returns:
        Names of the models.
    """
    return [
        card.name for card in load_table().cards if subsystems.count(card.subsystem) % card.devices
    ]


def describe_low_memory(card: cnmon.Card) -> str:
    """Find out whether a card has less memory than its model.

    Args:
        card: A card in the output of `cnmon`.

    Returns:
        The problem; "" if there is none, or the model is unknown.
    """
    for model in load_table().cards:
        minimum = model.memory_ecc if card.ecc else model.memory
        if model.name == card.name and minimum and card.memory_mib and card.memory_mib < minimum:
            return _(
                "card {number} has {memory_mib} MiB of memory, expected at least "
                "{minimum} for {card}",
                number=card.number,
                memory_mib=card.memory_mib,
                minimum=minimum,
                card=card.name,
            )
    return ""


def verify_cnmon_output(lines: list[str], driver: str, cards: int) -> None:
    """Verify that `cnmon` shows the driver and every card with all of its memory.

    Args:
        lines: Output of `cnmon`.
        driver: Expected driver version.
        cards: Expected number of cards.

    Raises:
        ValueError: Something differs, or the output cannot be parsed.
    """
    table = cnmon.parse(lines)
    if table.driver != driver:
        raise ValueError(
            _(
                "cnmon shows driver {found}, expected {driver}",
                found=table.driver or _("none"),
                driver=driver,
            )
        )
    if len(table.cards) != cards:
        raise ValueError(
            _("cnmon shows {count} cards, expected {cards}", count=len(table.cards), cards=cards)
        )
    for card in table.cards:
        if problem := describe_low_memory(card):
            raise ValueError(_("cnmon: {problem}", problem=problem))
