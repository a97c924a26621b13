"""Which drivers, images, kernels and cards work together, as listed in files/compatibility.yml."""

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

#: Name of the table in `files/`.
COMPATIBILITY_FILE = "compatibility.yml"
#: List in the table -> the field that identifies its rows.
ROW_KEYS = {"stacks": "driver", "kernels": "driver", "cards": "subsystem"}
#: Label of an image with the driver version that it requires.
DRIVER_LABEL = "com.cambricon.driver"
Version = Annotated[str, matching(r"[0-9]+(\.[0-9]+)+", "a version such as 5.10.10")]
Sources = Annotated[tuple[str, ...], Field(min_length=1)]


class Stack(Model):
    """Versions that the vendor released for use together."""

    #: Driver version.
    driver: Version
    #: Version of the SDK.
    sdk: Version | None = None
    #: Version of the CNToolkit.
    cntoolkit: Version | None = None
    #: Versions of Cambricon PyTorch, with which the tag of an image begins.
    pytorch: tuple[Version, ...] = ()
    #: Where the facts come from.
    sources: Sources


class CardModel(Model):
    """A card model, known by its PCI subsystem id before any driver is installed."""

    #: PCI subsystem id.
    subsystem: Annotated[str, matching(r"[0-9a-f]{4}", "four hexadecimal digits")]
    #: Name of the model, such as MLU370-X8.
    name: str
    #: Number of PCI devices on one board.
    devices: Annotated[Int, Field(ge=1)] = 1
    #: Minimum memory in MiB.
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


def find_required_driver(release: Release, lock: Lock) -> tuple[str, str] | None:
    """Find the oldest driver that an image works with.

    Args:
        release: The release.
        lock: Its lock file, with the labels of the image.

    Returns:
        The version and where it is stated; None if it is unknown.
    """
    if label := lock.image.labels.get(DRIVER_LABEL):
        return label.removeprefix("v"), f"its label {DRIVER_LABEL}"
    tag = re.search(r":v(\d+(?:\.\d+)+)-torch", release.image.reference)
    for stack in load_table().stacks:
        if tag and tag[1] in stack.pytorch:
            return stack.driver, f"{COMPATIBILITY_FILE}: {', '.join(stack.sources)}"
    return None


def describe_required_driver(release: Release, lock: Lock) -> str:
    """Describe which driver an image requires.

    Args:
        release: The release.
        lock: Its lock file.

    Returns:
        One line.
    """
    required = find_required_driver(release, lock)
    if required is None:
        return f"the driver version that {release.image.reference} requires is unknown"
    return f"{release.image.reference} requires driver {required[0]} or newer ({required[1]})"


def find_driver_problem(release: Release, lock: Lock) -> str | None:
    """Find out whether the release's driver is too old for its image.

    Args:
        release: The release.
        lock: Its lock file.

    Returns:
        The problem; None if there is none, or the required version is unknown.
    """
    required = find_required_driver(release, lock)
    if required is None or not re.fullmatch(r"[0-9]+(\.[0-9]+)*", required[0]):
        return None
    if _parse_version(release.driver.version) >= _parse_version(required[0]):
        return None
    reason = describe_required_driver(release, lock)
    return f"driver {release.driver.version} is too old: {reason}"


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
        if _parse_version(driver.version) <= _parse_version(limit.driver)
    ]
    limit = min(limits, key=lambda limit: _parse_version(limit.driver), default=None)
    newest = driver.newest_kernel or (limit.newest_kernel if limit else None)
    version = re.match(r"[0-9]+\.[0-9]+", kernel)
    if newest is None or version is None or _parse_version(version[0]) <= _parse_version(newest):
        return ""
    source = "the release" if driver.newest_kernel or not limit else ", ".join(limit.sources)
    return f"{kernel}; driver {driver.version} supports kernels up to {newest} ({source})"


def _parse_version(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


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
    cards = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"the host has cards of different models ({cards}), which the vendor advises against"


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
            return (
                f"card {card.number} has {card.memory_mib} MiB of memory, expected at least "
                f"{minimum} for {card.name}"
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
        raise ValueError(f"cnmon shows driver {table.driver or 'none'}, expected {driver}")
    if len(table.cards) != cards:
        raise ValueError(f"cnmon shows {len(table.cards)} cards, expected {cards}")
    for card in table.cards:
        if problem := describe_low_memory(card):
            raise ValueError(f"cnmon: {problem}")
