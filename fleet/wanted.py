"""What a host is wanted to be: a release, its lock, and the store they were measured in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fleet import compatibility, releases
from fleet import lock as locks
from fleet.failures import InvalidInput
from fleet.release import Patch, Release, digest

STORE = "artifacts"


@dataclass(frozen=True)
class Wanted:
    release: Release
    lock: locks.Lock
    store: Path

    @property
    def identity(self) -> str:
        """Of release and lock together: equal bytes on a host, equal identity."""
        return digest([self.release.digest, self.lock.model_dump()])[:16]

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
    path = releases.find(name)
    release = releases.load(path)
    lock = locks.load(path)
    if not os.path.isdir(store):
        raise InvalidInput(f"{path}: no folder {store} to take its files from (`store`)")
    problems = locks.check(release, lock, Path(store))
    if too_old := compatibility.problem(release, lock):
        problems.append(too_old)
    if problems:
        raise InvalidInput("\n".join(f"{path}: {problem}" for problem in problems))
    return Wanted(release, lock, Path(store))
