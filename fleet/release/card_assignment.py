"""Several releases on one host: which cards are whose, and what two of them cannot share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from fleet.release.model import Release, compute_digest

if TYPE_CHECKING:
    from fleet.release.target import ReleaseTarget

#: cards of one host; no board that is known puts more devices into a server
MAX_CARDS = 64


def parse_cards(said: Any) -> Any:
    """ "0-3,6" -> (0, 1, 2, 3, 6): numbers of devices, as in /dev/cambricon_dev0.

    :raises ValueError: it says no cards, or one of them twice
    """
    if isinstance(said, int) and not isinstance(said, bool):
        said = str(said)
    if isinstance(said, (list, tuple)):
        return said
    if said is None:
        raise ValueError("nothing is given: say the cards that are its own, 0-3,6")
    if not isinstance(said, str):
        raise ValueError(f"{said!r} is not cards of a host: 0-3,6")
    found: list[int] = []
    for part in said.replace(" ", "").split(","):
        if not (match := re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", part)):
            raise ValueError(f"{said[:80]!r} is not cards of a host: 0-3,6")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{said[:80]!r} counts backwards")
        found += range(first, last + 1)
    return tuple(found)


def _parse_pairs(said: Any) -> Any:
    """ "chat=0-3 code=4-7", as a table or a command line says it, is a mapping as well."""
    if not isinstance(said, str):
        return said
    pairs = [word.partition("=") for word in said.split()]
    if not pairs or not all(name and sign for name, sign, _ in pairs):
        raise ValueError(f"{said[:80]!r} is not releases with their cards: one=0-3 other=4-7")
    if len({name for name, _, _ in pairs}) != len(pairs):
        raise ValueError(f"{said[:80]!r} names a release twice")
    return {name: numbers for name, _, numbers in pairs}


CardNumbers = Annotated[
    tuple[Annotated[int, Field(strict=True, ge=0, lt=MAX_CARDS)], ...],
    BeforeValidator(parse_cards),
    Field(min_length=1),
]
#: release -> the cards that are its own
CardAssignment = Annotated[dict[str, CardNumbers], BeforeValidator(_parse_pairs)]
ASSIGNMENT_ADAPTER: TypeAdapter[dict[str, tuple[int, ...]]] = TypeAdapter(CardAssignment)


def find_overlaps(releases: dict[str, tuple[int, ...]]) -> Iterator[str]:
    """Cards that are given twice."""
    owners: dict[int, str] = {}
    for name, numbers in releases.items():
        for number in numbers:
            if number in owners:
                yield f"card {number} is given to {owners[number]} and to {name}"
            owners[number] = name


def find_conflicts(parts: Sequence[ReleaseTarget]) -> Iterator[str]:
    """What keeps releases from being on one host."""
    for one, other in combinations(parts, 2):
        yield from _find_pair_conflicts(one, other)


def _find_pair_conflicts(one: ReleaseTarget, other: ReleaseTarget) -> Iterator[str]:
    a, b = one.release, other.release
    both = f"{a.name} and {b.name}"
    if a.driver.version != b.driver.version:
        yield (
            f"{both}: a host runs one driver, they want {a.driver.version} and {b.driver.version}"
        )
    if a.container.name == b.container.name:
        yield f"{both}: both have a container named {a.container.name}"
    if a.image.reference == b.image.reference and one.lock.image.id != other.lock.image.id:
        yield f"{both}: {a.image.reference} is another image in each"
    mine, theirs = _claimed_paths(one), _claimed_paths(other)
    for path in sorted(mine):
        for their in sorted(theirs):
            inside = f"{path}/".startswith(f"{their}/") or f"{their}/".startswith(f"{path}/")
            if inside and not (path == their and mine[path] == theirs[their] != ""):
                where = path if path == their else f"{path} and {their}"
                yield f"{both}: each wants something else at {where} of the host"


def _claimed_paths(wanted: ReleaseTarget) -> dict[str, str]:
    """Host path -> digest of what a release puts there, "" where nobody else may put anything."""
    from fleet.release import host_paths

    release, lock = wanted.release, wanted.lock
    found = dict.fromkeys(host_paths.migrated_host_paths(release), "")
    for source in release.sources:
        own = any(
            path.startswith(f"{host_paths.to_host_path(release, source.path)}/") for path in found
        )
        at = compute_digest([lock.commits[source.name], source.name])
        found[host_paths.to_host_path(release, source.path)] = "" if own else at
    for weights in release.weights:
        patches = [
            wanted.patch_inputs(patch)
            for patch in host_paths.find_weights_patches(release, weights)
        ]
        files = {name: file.sha256 for name, file in lock.files_in(weights.folder).items()}
        found[weights.target] = compute_digest([files, patches])
    return {path: what for path, what in found.items() if not _is_nested(path, found)}


def _is_nested(path: str, found: dict[str, str]) -> bool:
    """Below another place of the same release: that one stands for it."""
    return any(path != other and path.startswith(f"{other}/") for other in found)


def join_names(parts: Sequence[ReleaseTarget]) -> str:
    return ", ".join(part.release.name for part in parts)


def release_key(release: Release) -> str:
    """By which a host knows a release among its others: it stays when the release is upgraded."""
    return release.container.name
