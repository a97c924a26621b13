"""What a host is wanted to be: a release, its lock, and the store they were measured in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fleet.documents import type_words
from fleet.errors import InvalidInput
from fleet.release import card_assignment, compatibility, files
from fleet.release import lockfile as locks
from fleet.release.model import Patch, Release, compute_digest

DEFAULT_STORE = "artifacts"


@dataclass(frozen=True)
class ReleaseTarget:
    release: Release
    lock: locks.Lock
    store: Path
    #: numbers of the cards that are its own; None: all that the host has
    cards: tuple[int, ...] | None = None
    #: where its stamps are among those of the host's other releases; "" for the only one
    key: str = ""
    #: the host's other releases
    other_releases: tuple[ReleaseTarget, ...] = ()

    @property
    def identity(self) -> str:
        """Of release and lock together: equal bytes on a host, equal identity."""
        return compute_digest([self.release.digest, self.lock.model_dump()])[:16]

    @property
    def releases(self) -> tuple[ReleaseTarget, ...]:
        """All releases of the host, each with the others beside, in an order that never differs."""
        bare = sorted(
            (replace(one, other_releases=()) for one in (self, *self.other_releases)),
            key=lambda one: one.key,
        )
        return tuple(
            replace(one, other_releases=tuple(o for o in bare if o is not one)) for one in bare
        )

    @property
    def host_identity(self) -> str:
        """Identity of all that the host is wanted to be."""
        if not self.other_releases:
            return self.identity
        return compute_digest([[part.identity, part.cards] for part in self.releases])[:16]

    def qualify(self, title: str) -> str:
        """Something of it, told from the same of the host's other releases."""
        return f"{title} of {self.release.name}" if self.key else title

    def card_numbers(self, present: int) -> list[int]:
        """Numbers of its cards.

        :param present: devices of the host
        """
        return list(range(present)) if self.cards is None else list(self.cards)

    def local_file(self, name: str) -> tuple[Path, str]:
        """An artifact's path on the controller and its sha256."""
        return self.store / name, self.lock.files[name].sha256

    def patch_inputs(self, patch: Patch) -> list[Any]:
        """All that a patch is made from."""
        return [patch.model_dump(), self.lock.files[patch.store].sha256 if patch.store else ""]


@lru_cache
def load_release_target(name: str, store: str = DEFAULT_STORE) -> ReleaseTarget:
    """Read and check release, lock and store, once in a process.

    :param name: a release's name or file
    :raises InvalidInput: with every problem found
    """
    path = files.find_release(name)
    release = files.load_release(path)
    lock = locks.load(path)
    if not os.path.isdir(store):
        raise InvalidInput(f"{path}: no folder {store} to take its files from (`store`)")
    problems = locks.check_store(release, lock, Path(store))
    if too_old := compatibility.find_driver_problem(release, lock):
        problems.append(too_old)
    if problems:
        raise InvalidInput("\n".join(f"{path}: {problem}" for problem in problems))
    return ReleaseTarget(release, lock, Path(store))


def load_host_target(data: Mapping[str, Any] | Any) -> ReleaseTarget:
    """What the data of a host wants: one release, or the first of several, with the others beside.

    :param data: with `get`, as pyinfra's host data has it: `release` or `releases`, and `store`
    :raises InvalidInput: with every problem found
    """
    store = str(data.get("store") or DEFAULT_STORE)
    if not (said := data.get("releases")):
        return load_release_target(str(data.get("release")), store)
    try:
        return _load_together(
            tuple(card_assignment.ASSIGNMENT_ADAPTER.validate_python(said).items()), store
        )
    except ValidationError as error:
        raise InvalidInput(f"releases: {type_words.describe_problem(error.errors()[0])}") from error


@lru_cache
def _load_together(releases: tuple[tuple[str, tuple[int, ...]], ...], store: str) -> ReleaseTarget:
    """Releases that share a host.

    :param releases: name or file of each, with its cards
    :raises InvalidInput: one is wrong, or they do not go together
    """
    problems = list(card_assignment.find_overlaps(dict(releases)))
    loaded = [(load_release_target(name, store), cards) for name, cards in releases]
    parts = [
        replace(one, cards=cards, key=card_assignment.release_key(one.release))
        for one, cards in loaded
    ]
    problems += card_assignment.find_conflicts(parts)
    if problems:
        raise InvalidInput("\n".join(f"releases of one host: {problem}" for problem in problems))
    return replace(parts[0], other_releases=tuple(parts[1:])).releases[0]
