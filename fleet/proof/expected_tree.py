"""The files of a migrated tree as the vendor's tool makes it, by size and checksum.

They are computed from the bundles of the release on the controller, as `lock` does, and say whether
a tree that somebody made on a host by hand is what the release asks for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet.language import _
from fleet.proof import container_listing, migration_rules, patched_files
from fleet.proof.file_content import ANY_GENERATION, ContainerFile, UnreadableContent
from fleet.release import host_paths
from fleet.release.lockfile import LockedFile
from fleet.release.model import Patch, Source
from fleet.release.target import ReleaseTarget
from fleet.store import git_repositories
from fleet.store.image_archive import Image
from fleet.store.source_tree import SourceTree

#: Names of files and folders of which nothing is expected: git's own, and what Python, pip and
#: this tool make.
IGNORED_NAMES = (".git", "__pycache__")
IGNORED_SUFFIXES = (".egg-info", ".mlufleet-part")


@dataclass(frozen=True)
class ExpectedFile:
    """A file of a migrated tree.

    Attributes:
        made: SHA-256 of what the tool makes, by generation of the tool, or under
            :data:`ANY_GENERATION` if all make the same; empty if only a patch creates the file;
            None if the content cannot be known.
        patched: SHA-256 with all patches of the release, likewise; empty without patches.
        is_replaced: whether a patch replaces the file, whatever it contains.
        file: its content, with the patches if they are known.
    """

    made: dict[str, str] | None
    patched: dict[str, str]
    is_replaced: bool
    file: ContainerFile

    def matches(self, sha256: str, generation: str) -> bool:
        """Check whether a file is what the tool makes, with or without the patches.

        Args:
            sha256: Checksum of the file.
            generation: One of the generations of the tool.
        """
        sums = (self.made or {}, self.patched)
        return sha256 in (one.get(generation, one.get(ANY_GENERATION)) for one in sums)

    def accepts(self, sha256: str, generation: str) -> bool:
        """Check whether a file needs no migration: the stage of patches does the rest.

        Args:
            sha256: Checksum of the file.
            generation: One of the generations of the tool.
        """
        return self.is_replaced or self.made is None or self.matches(sha256, generation)

    def is_patched(self, sha256: str) -> bool:
        """Check whether somebody has patched a file as the release does.

        Args:
            sha256: Checksum of the file.
        """
        return sha256 in self.patched.values()

    @property
    def depends_on_generation(self) -> bool:
        """Whether generations of the tool make different files of it."""
        return len(self.made or ()) > 1


@dataclass(frozen=True)
class ExpectedTree:
    """A migrated tree as a release makes it.

    Attributes:
        files: each file that the tool makes, and each that a patch creates, by its path.
        weights: files of weights that are linked into the tree: path -> size and checksum.
    """

    files: dict[str, ExpectedFile]
    weights: dict[str, LockedFile]


def is_ignored(path: str) -> bool:
    """Check whether a file says nothing about a migrated tree.

    Args:
        path: Path below the tree.
    """
    return path == migration_rules.REPORT_FILE or any(
        name in IGNORED_NAMES or name.endswith(IGNORED_SUFFIXES) for name in path.split("/")
    )


def open_sources(
    target: ReleaseTarget, source: Source, scratch: Path
) -> dict[str, SourceTree | None]:
    """Check out the sources that a migrated tree is made from, and those of its patches.

    Args:
        target: The release.
        source: One of its sources that is migrated.
        scratch: Folder for the checkouts, from which contents are read later.

    Returns:
        All sources by name; None for those that are not needed.

    Raises:
        InvalidInput: A bundle cannot be read.
        UnreadableContent: The source, or one inside it, has no bundle.
    """
    needed = {patch.source for patch in _find_patches(target, source)}
    for other in target.release.sources:
        if f"{other.path}/".startswith(f"{source.path}/"):
            needed.add(other.name)
            if other.bundle is None:
                raise UnreadableContent(
                    _("the source {source} has no bundle to compare with", source=other.name)
                )
    return {
        other.name: _open_source(target, other, scratch) if other.name in needed else None
        for other in target.release.sources
    }


def expect_tree(
    target: ReleaseTarget, source: Source, trees: Mapping[str, SourceTree | None]
) -> ExpectedTree:
    """Compute what a migrated tree contains.

    Args:
        target: The release.
        source: One of its sources that is migrated.
        trees: From :func:`open_sources`.

    Returns:
        The tree.
    """
    release, root = target.release, host_paths.migrated_path(source)
    patches = _find_patches(target, source)
    found = container_listing.list_files(release, target.store, target.lock.files, Image(), trees)
    prefix, weights = found.find_canonical(root) + "/", _list_weights(target, source)
    made = {
        path.removeprefix(prefix): file
        for path, file in found.files.items()
        if path.startswith(prefix) and not is_ignored(path.removeprefix(prefix))
    }
    changed = release.model_copy(update={"patches": patches})
    patched_files.apply_patches(found, changed, target.store, trees)
    paths = {patch: found.find_canonical(patch.file) for patch in patches}
    patched = {path.removeprefix(prefix): found.files[path] for path in paths.values()}
    replaced = {path.removeprefix(prefix) for patch, path in paths.items() if patch.replaces_file}
    files = {
        path: _expect_file(made.get(path), patched.get(path), is_replaced=path in replaced)
        for path in sorted(made.keys() | patched.keys())
        if path not in weights
    }
    return ExpectedTree(files, weights)


def _find_patches(target: ReleaseTarget, source: Source) -> tuple[Patch, ...]:
    root = host_paths.migrated_path(source)
    return tuple(patch for patch in target.release.patches if patch.file.startswith(f"{root}/"))


def _open_source(target: ReleaseTarget, source: Source, scratch: Path) -> SourceTree | None:
    if source.bundle is None:
        return None
    folder = scratch / f"{source.name}-{target.lock.commits[source.name]}"
    repository = folder / "repository"
    if not repository.exists():
        bundle = (target.store / source.bundle).absolute()
        git_repositories.run_git("clone", "--quiet", "--bare", "--", str(bundle), str(repository))
    tree = SourceTree.open(repository, target.lock.commits[source.name])
    return tree.check_out(folder / "files")


def _list_weights(target: ReleaseTarget, source: Source) -> dict[str, LockedFile]:
    return {
        f"{weights.link.path}/{name}": file
        for weights in target.release.weights
        if weights.link and weights.link.tree == source.name
        for name, file in target.lock.files_in(weights.folder).items()
        if not container_listing.is_code(weights, name)
    }


def _expect_file(
    made: ContainerFile | None, patched: ContainerFile | None, *, is_replaced: bool
) -> ExpectedFile:
    sums = _compute_sums(made) if made else {}
    patched_sums = _compute_sums(patched) if patched else {}
    file = patched if patched and patched_sums else made
    assert file is not None
    return ExpectedFile(sums, patched_sums or {}, is_replaced, file)


def _compute_sums(file: ContainerFile) -> dict[str, str] | None:
    try:
        contents = file.read()  # not kept: of most files only the checksum is needed
    except UnreadableContent:
        return None
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
