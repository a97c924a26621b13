"""All patches of a release to one file, and whether the file on a host is their result."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fleet.language import _
from fleet.release import host_paths
from fleet.release.model import Patch, compute_digest
from fleet.release.patch_text import apply_patch
from fleet.release.target import ReleaseTarget
from operations.host.facts import ReleaseFacts
from operations.host.file_edit import EditFile, GitFile


@dataclass(frozen=True)
class FilePatch:
    """All changes of a release to one file, in order."""

    target: ReleaseTarget
    file: str
    patches: tuple[Patch, ...]

    @property
    def title(self) -> str:
        """What the operator reads."""
        return _("patch {file}", file=self.file.rsplit("/", 1)[1])

    @property
    def container_name(self) -> str:
        """The container whose own file it is; "" for a file that lies on the host."""
        spec = self.target.release.container
        return "" if spec.is_mounted(self.file) else spec.name

    @property
    def path(self) -> str:
        """Path in the container or on the host, wherever the file lies."""
        if self.container_name:
            return self.file
        return host_paths.to_host_path(self.target.release, self.file)

    @property
    def stamp_name(self) -> str:
        """Name of the stamp with the sha256 of the result, where the release does not say it."""
        inputs = [self.target.patch_inputs(patch) for patch in self.patches]
        return f"patch-{compute_digest([self.path, self.container_name, inputs])[:16]}"

    @property
    def expected_sha256(self) -> str:
        """The sha256 of the result, or "" if it cannot be known beforehand."""
        last = self.patches[-1]
        if last.sha256 is None and last.source:
            return self.target.lock.source_file_sha256(last)
        if last.sha256 is None and last.store:
            return self.target.lock.files[last.store].sha256
        if last.sha256 is None and last.content is not None:
            return hashlib.sha256(last.content.encode()).hexdigest()
        return last.sha256 or ""

    def current_sha256(self, found: ReleaseFacts) -> str | None:
        """Return the sha256 of the file as it is.

        Args:
            found: The release on the host.
        """
        name = f"{self.container_name}:{self.path}" if self.container_name else self.path
        return found.files.get(name)

    def is_applied(self, found: ReleaseFacts) -> bool:
        """Return whether the file is the result of the patches.

        Args:
            found: The release on the host.
        """
        stamped, _blank, _container = found.stamps.get(self.stamp_name, "").partition(" ")
        return self.current_sha256(found) == (self.expected_sha256 or stamped or "unknown")

    def is_edited(self, found: ReleaseFacts) -> bool:
        """Return whether the file was patched in this very container and has changed since.

        Its anchor may still be there, but the original is not.

        Args:
            found: The release on the host.
        """
        stamped, _blank, container_id = found.stamps.get(self.stamp_name, "").partition(" ")
        if not self.container_name or not found.container or found.container.id != container_id:
            return False
        return self.current_sha256(found) not in (None, stamped)

    @property
    def effective_patches(self) -> tuple[Patch, ...]:
        """The last patch that replaces the whole file, and those after it; else all."""
        starts = [n for n, patch in enumerate(self.patches) if patch.replaces_file]
        return self.patches[starts[-1] :] if starts else self.patches

    @property
    def origin(self) -> GitFile | None:
        """The file of a source that the patches start from, unless it is the file as it is."""
        release, lock = self.target.release, self.target.lock
        first = self.effective_patches[0]
        if first.source and first.path:
            source, path = release.find_source(first.source), first.path
            root = host_paths.to_host_path(release, source.path)
            sha256 = lock.source_file_sha256(first)
            return GitFile(root, lock.commits[source.name], path, sha256)
        if first.replaces_file or self.container_name:
            return None
        trees = host_paths.list_trees(release)
        tree = host_paths.find_tree(trees, self.path)
        checkout = trees[tree] if tree else None
        if not tree or not checkout:
            return None
        path = self.path.removeprefix(f"{tree}/")
        return GitFile(tree, lock.commits[checkout.name], path, "")

    def __call__(self, text: str) -> str:
        """Return a file's text with all patches applied.

        Args:
            text: The text before; that of `origin` if there is one.
        """
        for patch in self.effective_patches:
            text = apply_patch(text, patch, self.target.store)
        return text

    def build_edit(self, found: ReleaseFacts) -> EditFile:
        """Return the command that applies the patches.

        Args:
            found: The release on the host.
        """
        container = found.container.id if self.container_name and found.container else ""
        first = self.effective_patches[0]
        is_copy = first.source is not None and len(self.effective_patches) == 1
        creates = ""
        if first.replaces_file:
            in_tree = host_paths.is_in_tree(self.target.release, self.file)
            creates = "folders" if in_tree and not self.container_name else "file"
        return EditFile(
            self.path,
            None if is_copy else self,
            self.expected_sha256,
            self.stamp_name,
            container,
            origin=self.origin,
            creates=creates,
        )


def group_by_file(target: ReleaseTarget) -> list[FilePatch]:
    """Return the patches of a release, those of one file together.

    Args:
        target: The release.
    """
    files = dict.fromkeys(patch.file for patch in target.release.patches)
    return [
        FilePatch(target, file, tuple(p for p in target.release.patches if p.file == file))
        for file in files
    ]
