"""What goes with what: drivers, images and cards, as files/compatibility.yml has it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from fleet import paths
from fleet.documents import site_tables
from fleet.documents.types import Int, Model, matching
from fleet.release.lockfile import Lock
from fleet.release.model import Driver, Release
from fleet.vendor import cnmon

COMPATIBILITY_FILE = "compatibility.yml"
#: what identifies a row of each list
ROW_KEYS = {"stacks": "driver", "kernels": "driver", "cards": "subsystem"}
DRIVER_LABEL = "com.cambricon.driver"
Version = Annotated[str, matching(r"[0-9]+(\.[0-9]+)+", "a version: 5.10.10")]
Sources = Annotated[tuple[str, ...], Field(min_length=1)]


class Stack(Model):
    """Versions that the vendor made for one another."""

    driver: Version
    sdk: Version | None = None
    cntoolkit: Version | None = None
    #: of Cambricon PyTorch: what the tag of an image begins with
    pytorch: tuple[Version, ...] = ()
    sources: Sources


class CardModel(Model):
    """A card by its PCI subsystem id, which is known before any driver is installed."""

    subsystem: Annotated[str, matching(r"[0-9a-f]{4}", "four digits of 0-9 and a-f")]
    name: str
    #: on the PCI bus, of one board
    devices: Annotated[Int, Field(ge=1)] = 1
    #: MiB, at least
    memory: Annotated[Int, Field(ge=1)] | None = None
    #: the same while inline ECC is on
    memory_ecc: Annotated[Int, Field(ge=1)] | None = None
    sources: Sources


class KernelLimit(Model):
    """How far a driver's sources, and those of all that are older, follow the kernel."""

    driver: Version
    newest_kernel: Version
    sources: Sources


class CompatibilityTable(Model):
    stacks: tuple[Stack, ...]
    kernels: tuple[KernelLimit, ...]
    cards: tuple[CardModel, ...]


def load_table() -> CompatibilityTable:
    """Return what goes with what; rows of the site replace those with their key.

    Raises:
        InvalidInput: A file does not match the models.
    """
    files = paths.find_existing(COMPATIBILITY_FILE)
    return site_tables.load_table(CompatibilityTable, files, ROW_KEYS)


def find_required_driver(release: Release, lock: Lock) -> tuple[str, str] | None:
    """Oldest driver that an image works with, and who says so; None where nobody does."""
    if label := lock.image.labels.get(DRIVER_LABEL):
        return label.removeprefix("v"), f"its label {DRIVER_LABEL}"
    tag = re.search(r":v(\d+(?:\.\d+)+)-torch", release.image.reference)
    for stack in load_table().stacks:
        if tag and tag[1] in stack.pytorch:
            return stack.driver, f"{COMPATIBILITY_FILE}: {', '.join(stack.sources)}"
    return None


def describe_required_driver(release: Release, lock: Lock) -> str:
    """What is known of driver and image, for people."""
    found = find_required_driver(release, lock)
    if found is None:
        return f"which driver {release.image.reference} needs is not known"
    return f"{release.image.reference} needs driver {found[0]} or newer ({found[1]})"


def find_driver_problem(release: Release, lock: Lock) -> str | None:
    """Why the release's driver cannot run its image."""
    found = find_required_driver(release, lock)
    if found is None or not re.fullmatch(r"[0-9]+(\.[0-9]+)*", found[0]):
        return None
    if _parse_version(release.driver.version) >= _parse_version(found[0]):
        return None
    return f"driver {release.driver.version} is too old: {describe_required_driver(release, lock)}"


def find_kernel_problem(driver: Driver, kernel: str) -> str:
    """Why a driver cannot be built for a kernel; "" where it can, or nobody knows."""
    limits = [
        limit
        for limit in load_table().kernels
        if _parse_version(driver.version) <= _parse_version(limit.driver)
    ]
    least = min(limits, key=lambda limit: _parse_version(limit.driver), default=None)
    newest = driver.newest_kernel or (least.newest_kernel if least else None)
    found = re.match(r"[0-9]+\.[0-9]+", kernel)
    if newest is None or found is None or _parse_version(found[0]) <= _parse_version(newest):
        return ""
    said = "the release" if driver.newest_kernel or not least else ", ".join(least.sources)
    return f"{kernel}; driver {driver.version} is for kernels up to {newest} ({said})"


def _parse_version(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def find_card_model(subsystem: str) -> str:
    """Name of a card by its PCI subsystem id; "" where it is not known."""
    return next((card.name for card in load_table().cards if card.subsystem == subsystem), "")


def describe_mixed_models(models: Iterable[str]) -> str:
    """What a host with cards of several models is told; "" for all others."""
    counts = Counter(models)
    if len(counts) < 2:
        return ""
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"its cards are of different models ({said}): the vendor advises against that"


def find_partial_boards(subsystems: list[str]) -> list[str]:
    """Models of which the bus shows a part of a board."""
    return [
        card.name for card in load_table().cards if subsystems.count(card.subsystem) % card.devices
    ]


def describe_low_memory(card: cnmon.Card) -> str:
    """Why a card has less memory than its model; "" where it has not, or nobody knows."""
    for known in load_table().cards:
        least = known.memory_ecc if card.ecc else known.memory
        if known.name == card.name and least and card.memory_mib and card.memory_mib < least:
            return f"card {card.number} has {card.memory_mib} MiB, a {card.name} {least} or more"
    return ""


def verify_cnmon_output(lines: list[str], driver: str, cards: int) -> None:
    """What cnmon printed shows the driver, all cards, and whole ones.

    :raises ValueError: it does not
    """
    shown = cnmon.parse(lines)
    if shown.driver != driver:
        raise ValueError(f"cnmon shows driver {shown.driver or 'nothing'}, expected {driver}")
    if len(shown.cards) != cards:
        raise ValueError(f"cnmon shows {len(shown.cards)} cards, expected {cards}")
    for card in shown.cards:
        if small := describe_low_memory(card):
            raise ValueError(f"cnmon: {small}")
