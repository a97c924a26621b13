"""Patches by anchor, never by line number, proved by the sha256 of the result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.release import host_paths
from fleet.release.model import Patch, digest
from fleet.release.target import Wanted
from operations import migration, weights
from operations.host.facts import HostState
from operations.host.file_edit import Rewrite
from operations.host.job import Step
from operations.stage import Body, Decision, Options, Stage


def patched(text: str, patch: Patch, store: Path = Path()) -> str:
    """The text with the patch applied.

    :raises ValueError: the anchor does not occur exactly as often as the patch says
    """
    if patch.store is not None:
        return (store / patch.store).read_bytes().decode()
    if patch.content is not None:
        return patch.content
    anchor = patch.find if patch.find is not None else patch.after
    assert anchor is not None
    found = text.count(anchor)
    if found != patch.count:
        raise ValueError(f"{anchor!r} occurs {found} times, the patch expects {patch.count}")
    if patch.find is not None:
        return text.replace(patch.find, patch.replace or "")
    return text.replace(anchor, anchor + (patch.insert or ""))


@dataclass(frozen=True)
class Change:
    """All that a release does to one file, in order."""

    wanted: Wanted
    file: str
    patches: tuple[Patch, ...]

    @property
    def title(self) -> str:
        return f"patch {self.file.rsplit('/', 1)[1]}"

    @property
    def container(self) -> str:
        """Whose own file it is; "" for one that lies on the host."""
        spec = self.wanted.release.container
        return "" if spec.shows(self.file) else spec.name

    @property
    def path(self) -> str:
        return self.file if self.container else host_paths.on_host(self.wanted.release, self.file)

    @property
    def stamp(self) -> str:
        """Keeps what became of a file whose release does not say it."""
        made_from = [self.wanted.made_from(patch) for patch in self.patches]
        return f"patch-{digest([self.path, self.container, made_from])[:16]}"

    @property
    def known(self) -> str:
        """sha256 of the result, where it can be known beforehand."""
        last = self.patches[-1]
        if last.sha256 is None and last.store:
            return self.wanted.lock.files[last.store].sha256
        if last.sha256 is None and last.content is not None:
            return hashlib.sha256(last.content.encode()).hexdigest()
        return last.sha256 or ""

    def found(self, state: HostState) -> str | None:
        return state.files.get(f"{self.container}:{self.path}" if self.container else self.path)

    def done(self, state: HostState) -> bool:
        made, _, _ = state.stamps.get(self.stamp, "").partition(" ")
        return self.found(state) == (self.known or made or "unknown")

    def edited(self, state: HostState) -> bool:
        """Whether it was patched in this very container and is something else now: the anchor may
        still be there, and the original is not."""
        made, _, where = state.stamps.get(self.stamp, "").partition(" ")
        there = self.container and state.container and state.container.id == where
        return bool(there) and self.found(state) not in (None, made)

    def __call__(self, text: str) -> str:
        for patch in self.patches:
            text = patched(text, patch, self.wanted.store)
        return text

    def rewrite(self, state: HostState) -> Rewrite:
        where = state.container.id if self.container and state.container else ""
        return Rewrite(self.path, self, self.known, self.stamp, where)


def changes(wanted: Wanted) -> list[Change]:
    files = dict.fromkeys(patch.file for patch in wanted.release.patches)
    return [
        Change(wanted, file, tuple(p for p in wanted.release.patches if p.file == file))
        for file in files
    ]


def wrong(wanted: Wanted, state: HostState) -> list[Change]:
    """Files on the host to patch; the container's own ones come with its packages."""
    return [c for c in changes(wanted) if not c.container and not c.done(state)]


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    return [change.title for change in wrong(wanted, state)]


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    release = wanted.release
    for change in wrong(wanted, state):
        trees = [
            s for s in migration.sources(wanted) if change.file.startswith(f"{host_paths.tree(s)}/")
        ]
        for source in trees:  # a cut in the middle must not make it look edited by somebody
            yield Step(
                "opening the migrated tree",
                "stamp",
                f"tree-{source.name}.running",
                "patch",
                code="PATCH",
            )
        yield change.rewrite(state)
        for source in trees:
            yield Step(
                "stamping the patched tree",
                "stamp-tree",
                f"tree-{source.name}",
                migration.inputs(wanted, source),
                host_paths.on_host(release, host_paths.tree(source)),
                code="PATCH",
            )
        for item in release.weights:
            if change.path.startswith(f"{item.target}/"):
                yield weights.stamped(wanted, item)


STAGE = Stage("patch", decide, act, "PATCH")


@operation()
def applied(wanted: Wanted, options: Options) -> Body:
    """Every patched file on the host is as the release says."""
    yield from STAGE.carry(wanted, options)
