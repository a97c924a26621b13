"""Patches by anchor, never by line number, proved by the sha256 of the result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api import operation

from fleet.release import host_paths
from fleet.release.model import Patch, compute_digest
from fleet.release.target import ReleaseTarget
from operations import migration, weights
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.file_edit import EditFile
from operations.host.job import RemoteJob
from operations.stage import Decision, HostOptions, OperationCommands, Stage


def apply_patch(text: str, patch: Patch, store: Path = Path()) -> str:
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
class FilePatch:
    """All that a release does to one file, in order."""

    target: ReleaseTarget
    file: str
    patches: tuple[Patch, ...]

    @property
    def title(self) -> str:
        return f"patch {self.file.rsplit('/', 1)[1]}"

    @property
    def container_name(self) -> str:
        """Whose own file it is; "" for one that lies on the host."""
        spec = self.target.release.container
        return "" if spec.is_mounted(self.file) else spec.name

    @property
    def path(self) -> str:
        return (
            self.file
            if self.container_name
            else host_paths.to_host_path(self.target.release, self.file)
        )

    @property
    def stamp_name(self) -> str:
        """Keeps what became of a file whose release does not say it."""
        made_from = [self.target.patch_inputs(patch) for patch in self.patches]
        return f"patch-{compute_digest([self.path, self.container_name, made_from])[:16]}"

    @property
    def expected_sha256(self) -> str:
        """sha256 of the result, where it can be known beforehand."""
        last = self.patches[-1]
        if last.sha256 is None and last.store:
            return self.target.lock.files[last.store].sha256
        if last.sha256 is None and last.content is not None:
            return hashlib.sha256(last.content.encode()).hexdigest()
        return last.sha256 or ""

    def current_sha256(self, facts: HostFacts) -> str | None:
        return facts.files.get(
            f"{self.container_name}:{self.path}" if self.container_name else self.path
        )

    def is_applied(self, facts: HostFacts) -> bool:
        made, _, _ = facts.stamps.get(self.stamp_name, "").partition(" ")
        return self.current_sha256(facts) == (self.expected_sha256 or made or "unknown")

    def is_edited(self, facts: HostFacts) -> bool:
        """Whether it was patched in this very container and is something else now: the anchor may
        still be there, and the original is not."""
        made, _, where = facts.stamps.get(self.stamp_name, "").partition(" ")
        there = self.container_name and facts.container and facts.container.id == where
        return bool(there) and self.current_sha256(facts) not in (None, made)

    def __call__(self, text: str) -> str:
        for patch in self.patches:
            text = apply_patch(text, patch, self.target.store)
        return text

    def build_edit(self, facts: HostFacts) -> EditFile:
        where = facts.container.id if self.container_name and facts.container else ""
        return EditFile(self.path, self, self.expected_sha256, self.stamp_name, where)


def group_by_file(target: ReleaseTarget) -> list[FilePatch]:
    files = dict.fromkeys(patch.file for patch in target.release.patches)
    return [
        FilePatch(target, file, tuple(p for p in target.release.patches if p.file == file))
        for file in files
    ]


def list_unapplied(target: ReleaseTarget, facts: HostFacts) -> list[FilePatch]:
    """Files on the host to patch; the container's own ones come with its packages."""
    return [c for c in group_by_file(target) if not c.container_name and not c.is_applied(facts)]


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    return [change.title for change in list_unapplied(target, facts)]


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    release = target.release
    for change in list_unapplied(target, facts):
        trees = [
            s
            for s in migration.migrated_sources(target)
            if change.file.startswith(f"{host_paths.migrated_path(s)}/")
        ]
        for source in trees:  # a cut in the middle must not make it look edited by somebody
            yield RemoteJob(
                "opening the migrated tree",
                "stamp",
                f"tree-{source.name}.running",
                "patch",
                code="PATCH",
            )
        yield change.build_edit(facts)
        for source in trees:
            yield RemoteJob(
                "stamping the patched tree",
                "stamp-tree",
                f"tree-{source.name}",
                migration.input_digest(target, source),
                host_paths.to_host_path(release, host_paths.migrated_path(source)),
                code="PATCH",
            )
        for item in release.weights:
            if change.path.startswith(f"{item.target}/"):
                yield weights.build_stamp_job(target, item)


STAGE = Stage("patch", decide, act, "PATCH")


@operation()
def applied(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """Every patched file on the host is as the release says."""
    yield from STAGE.converge(target, options)
