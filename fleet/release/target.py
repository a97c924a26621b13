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
from fleet.release.model import Patch, Release, digest

STORE = "artifacts"


@dataclass(frozen=True)
class Wanted:
    release: Release
    lock: locks.Lock
    store: Path
    #: numbers of the cards that are its own; None: all that the host has
    cards: tuple[int, ...] | None = None
    #: where its stamps are among those of the host's other releases; "" for the only one
    slot: str = ""
    #: the host's other releases
    beside: tuple[Wanted, ...] = ()

    @property
    def identity(self) -> str:
        """Of release and lock together: equal bytes on a host, equal identity."""
        return digest([self.release.digest, self.lock.model_dump()])[:16]

    @property
    def parts(self) -> tuple[Wanted, ...]:
        """All releases of the host, each with the others beside, in an order that never differs."""
        bare = sorted(
            (replace(one, beside=()) for one in (self, *self.beside)), key=lambda one: one.slot
        )
        return tuple(replace(one, beside=tuple(o for o in bare if o is not one)) for one in bare)

    @property
    def whole(self) -> str:
        """Identity of all that the host is wanted to be."""
        if not self.beside:
            return self.identity
        return digest([[part.identity, part.cards] for part in self.parts])[:16]

    def titled(self, what: str) -> str:
        """Something of it, told from the same of the host's other releases."""
        return f"{what} of {self.release.name}" if self.slot else what

    def devices(self, present: int) -> list[int]:
        """Numbers of its cards.

        :param present: devices of the host
        """
        return list(range(present)) if self.cards is None else list(self.cards)

    def local(self, name: str) -> tuple[Path, str]:
        """An artifact's path on the controller and its sha256."""
        return self.store / name, self.lock.files[name].sha256

    def made_from(self, patch: Patch) -> list[Any]:
        """All that a patch is made from."""
        return [patch.model_dump(), self.lock.files[patch.store].sha256 if patch.store else ""]


@lru_cache
def load(name: str, store: str = STORE) -> Wanted:
    """Read and check release, lock and store, once in a process.

    :param name: a release's name or file
    :raises InvalidInput: with every problem found
    """
    path = files.find(name)
    release = files.load(path)
    lock = locks.load(path)
    if not os.path.isdir(store):
        raise InvalidInput(f"{path}: no folder {store} to take its files from (`store`)")
    problems = locks.check(release, lock, Path(store))
    if too_old := compatibility.problem(release, lock):
        problems.append(too_old)
    if problems:
        raise InvalidInput("\n".join(f"{path}: {problem}" for problem in problems))
    return Wanted(release, lock, Path(store))


def of_host(data: Mapping[str, Any] | Any) -> Wanted:
    """What the data of a host wants: one release, or the first of several, with the others beside.

    :param data: with `get`, as pyinfra's host data has it: `release` or `releases`, and `store`
    :raises InvalidInput: with every problem found
    """
    store = str(data.get("store") or STORE)
    if not (said := data.get("releases")):
        return load(str(data.get("release")), store)
    try:
        return several(tuple(card_assignment.RELEASES.validate_python(said).items()), store)
    except ValidationError as error:
        raise InvalidInput(f"releases: {type_words.told(error.errors()[0])}") from error


@lru_cache
def several(releases: tuple[tuple[str, tuple[int, ...]], ...], store: str) -> Wanted:
    """Releases that share a host.

    :param releases: name or file of each, with its cards
    :raises InvalidInput: one is wrong, or they do not go together
    """
    problems = list(card_assignment.overlapping(dict(releases)))
    loaded = [(load(name, store), cards) for name, cards in releases]
    parts = [
        replace(one, cards=cards, slot=card_assignment.known(one.release)) for one, cards in loaded
    ]
    problems += card_assignment.problems(parts)
    if problems:
        raise InvalidInput("\n".join(f"releases of one host: {problem}" for problem in problems))
    return replace(parts[0], beside=tuple(parts[1:])).parts[0]
