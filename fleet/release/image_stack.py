"""What an image requires of a host: the driver version, and the cards.

The image's own labels come first, then the versions in its name, as files/compatibility.yml lists
them. What neither states is unknown, and is called that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.language import _
from fleet.release import compatibility
from fleet.release.compatibility import COMPATIBILITY_FILE, Stack, parse_version
from fleet.release.lockfile import Lock
from fleet.release.model import Release
from fleet.text import word_lists

#: Label of an image with the driver version that it requires.
DRIVER_LABEL = "com.cambricon.driver"
#: The family that releases are for unless they name `card_models`.
DEFAULT_FAMILY = "MLU370"
#: Field of a stack -> where the name of an image has it. The first that a name has counts: tags
#: that begin with v24.12 and later count years, and name torch_mlu besides.
VERSION_PATTERNS = {
    "neuware": re.compile(r"neuware(\d+(?:\.\d+)+)"),
    "torch_mlu": re.compile(r"torch_?mlu(\d+(?:\.\d+)+)"),
    "magicmind": re.compile(r"magicmind:v?(\d+(?:\.\d+)+)"),
    "pytorch": re.compile(r":v(\d+(?:\.\d+)+)-torch"),
}


@dataclass(frozen=True)
class RequiredDriver:
    """The oldest driver that an image works with.

    Attributes:
        version: its version.
        source: where that is stated.
    """

    version: str
    source: str


def _find_named_version(reference: str) -> tuple[str, str] | None:
    """Return the field of a stack that an image's name has, and its version."""
    for field, pattern in VERSION_PATTERNS.items():
        if found := pattern.search(reference):
            return field, found[1]
    return None


def _list_versions(stack: Stack, field: str) -> tuple[str, ...]:
    value = getattr(stack, field)
    return (value,) if isinstance(value, str) else value or ()


def find_stack(reference: str) -> Stack | None:
    """Find the software stack of an image by its name.

    Args:
        reference: Name and tag of the image.

    Returns:
        The row of the compatibility table; None if the table has none.
    """
    if not (named := _find_named_version(reference)):
        return None
    field, version = named
    stacks = compatibility.load_table().stacks
    return next((stack for stack in stacks if version in _list_versions(stack, field)), None)


def find_required_driver(reference: str, labels: Mapping[str, str]) -> RequiredDriver | None:
    """Find the oldest driver that an image works with.

    Args:
        reference: Name and tag of the image.
        labels: Labels of the image.

    Returns:
        The version; None if it is unknown.
    """
    label = labels.get(DRIVER_LABEL, "").removeprefix("v").partition("-")[0]
    if re.fullmatch(r"[0-9]+(\.[0-9]+)+", label):
        return RequiredDriver(label, _("its label {label}", label=DRIVER_LABEL))
    if stack := find_stack(reference):
        return RequiredDriver(stack.driver, f"{COMPATIBILITY_FILE}: {', '.join(stack.sources)}")
    return None


def describe_required_driver(reference: str, labels: Mapping[str, str]) -> str:
    """Describe which driver an image requires.

    Args:
        reference: Name and tag of the image.
        labels: Labels of the image.

    Returns:
        One line; for an unknown image, with what is known of similar ones.
    """
    if required := find_required_driver(reference, labels):
        return _(
            "{reference} requires driver {version} or newer ({source})",
            reference=reference,
            version=required.version,
            source=required.source,
        )
    known = word_lists.join_clauses(_describe_relatives(reference))
    if not known:
        return _("the driver version that {reference} requires is unknown", reference=reference)
    return _(
        "the driver version that {reference} requires is unknown; {known}",
        reference=reference,
        known=known,
    )


def _describe_relatives(reference: str) -> Iterator[str]:
    """Yield what is known of an unknown image: where it was seen, and the versions next to it."""
    if not (named := _find_named_version(reference)):
        return
    field, version = named
    table = compatibility.load_table()
    for sighting in table.sightings:
        if field == "torch_mlu" and version in sighting.torch_mlu:
            yield _(
                "{field} {version} was seen on {cards} with driver {driver} ({sources})",
                field=field,
                version=version,
                cards=word_lists.join_words(sighting.cards),
                driver=sighting.driver,
                sources=word_lists.join_words(sighting.sources),
            )
    rows = {parse_version(v): (v, s) for s in table.stacks for v in _list_versions(s, field)}
    numbers = parse_version(version)
    older = max((row for row in rows if row < numbers), default=None)
    newer = min((row for row in rows if row > numbers), default=None)
    for neighbour in filter(None, (older, newer)):
        neighbour_version, stack = rows[neighbour]
        yield _(
            "{field} {version} requires driver {driver}",
            field=field,
            version=neighbour_version,
            driver=stack.driver,
        )


def find_driver_problem(release: Release, labels: Mapping[str, str]) -> str | None:
    """Find out whether the release's driver is too old for its image.

    Args:
        release: The release.
        labels: Labels of its image.

    Returns:
        The problem; None if there is none, or the required version is unknown.
    """
    reference, version = release.image.reference, release.driver.version
    required = find_required_driver(reference, labels)
    if required is None or parse_version(version) >= parse_version(required.version):
        return None
    return _(
        "driver {version} is too old: {reason}",
        version=version,
        reason=describe_required_driver(reference, labels),
    )


def list_card_families(release: Release) -> list[str]:
    """List the families of cards that a release is for, such as MLU370 of MLU370-X8.

    Args:
        release: The release.

    Returns:
        The families; :data:`DEFAULT_FAMILY` if the release names no model.
    """
    names = [model.partition("-")[0] for model in release.card_models]
    return list(dict.fromkeys(names)) or [DEFAULT_FAMILY]


def find_card_problem(release: Release) -> str | None:
    """Find out whether the image is known not to support the release's cards.

    Args:
        release: The release.

    Returns:
        The problem; None if there is none, or nothing is known.
    """
    reference, families = release.image.reference, list_card_families(release)
    for engine in compatibility.load_table().engines:
        if engine.name in reference and (
            excluded := [family for family in families if family in engine.unsupported]
        ):
            return _(
                "{reference} has {engine} for other cards than {excluded} ({table}: {sources})",
                reference=reference,
                engine=engine.name,
                excluded=word_lists.join_words(excluded),
                table=COMPATIBILITY_FILE,
                sources=word_lists.join_words(engine.sources),
            )
    return None


def describe_unknown_points(release: Release, labels: Mapping[str, str]) -> list[str]:
    """Describe what is not known of a release's image, driver and cards together.

    Args:
        release: The release.
        labels: Labels of its image.

    Returns:
        A line for each point.
    """
    reference, version = release.image.reference, release.driver.version
    families = list_card_families(release)
    points = []
    if find_required_driver(reference, labels) is None:
        points.append(describe_required_driver(reference, labels))
    stack = find_stack(reference)
    if stack and stack.cards and (others := [f for f in families if f not in stack.cards]):
        points.append(
            _(
                "{reference} was published for {cards}; whether it runs on {others} is not known",
                reference=reference,
                cards=word_lists.join_words(stack.cards),
                others=word_lists.join_words(others),
            )
        )
    for family in families:
        newest = _find_newest_driver(family)
        if newest and parse_version(version) > parse_version(newest):
            points.append(
                _(
                    "driver {version} was not seen on {family} yet; the newest that was is "
                    "{newest}",
                    version=version,
                    family=family,
                    newest=newest,
                )
            )
    return points


def _find_newest_driver(family: str) -> str | None:
    """Return the newest driver that was published for a family of cards, or seen there."""
    table = compatibility.load_table()
    drivers = [stack.driver for stack in table.stacks if family in stack.cards]
    drivers += [seen.driver for seen in table.sightings if family in seen.cards]
    return max(drivers, key=parse_version, default=None)


def describe_stack(release: Release, lock: Lock) -> list[str]:
    """Describe what the image of a locked release requires, and what is not known of that.

    Args:
        release: The release.
        lock: Its lock file.

    Returns:
        Lines for people.
    """
    labels = lock.image.labels
    required = describe_required_driver(release.image.reference, labels)
    return list(dict.fromkeys([required, *describe_unknown_points(release, labels)]))
