"""List the files that sources, migrations and weights put into the container of a release."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from fleet.language import _
from fleet.proof import migration_rules
from fleet.proof.container_files import ContainerFiles
from fleet.proof.file_content import (
    ContainerFile,
    create_migrated_file,
    create_readable_file,
    create_unreadable_file,
)
from fleet.release import host_paths
from fleet.release.lockfile import LockedFile
from fleet.release.model import Release, Weights
from fleet.store.image_archive import Image
from fleet.store.source_tree import SourceTree

#: Symbolic links that are followed for one path, as Linux limits them.
MAX_LINKS = 40
#: Origin of files behind a link to a folder, which the migration tool leaves out.
LINKED_FOLDER = "a link to a folder"


def list_files(
    release: Release,
    store: Path,
    stored: Mapping[str, LockedFile],
    image: Image,
    trees: Mapping[str, SourceTree | None],
) -> ContainerFiles:
    """List the files of a release's container, before its patches.

    Args:
        release: The release.
        store: Folder of the store.
        stored: The files of the store by their paths there.
        image: The image, as far as it is known.
        trees: The files of each source by its name.

    Returns:
        The files.
    """
    found = ContainerFiles(release, image)
    for mount in release.container.mounts:
        found.add_folder(posixpath.normpath(mount.container))
    for source in release.sources:
        tree = trees[source.name]
        found.add_folder(source.path)
        if tree is None:
            found.unreadable[source.path] = _(
                "the source {source} has no bundle to read", source=source.name
            )
        else:
            _add_tree(found, source.path, source.name, tree)
    for weights in release.weights:
        _add_weights(found, store, stored, weights)
    for name in release.migration.trees if release.migration else ():
        _add_migrated(found, name)
    for weights in release.weights:
        _add_link(found, store, stored, weights, is_migrated=True)
    return found


def _add_tree(found: ContainerFiles, root: str, name: str, tree: SourceTree) -> None:
    origin = _("source {name}", name=name)
    for path, entry in tree.entries.items():
        if entry.mode == "160000":  # a submodule, whose folder remains empty
            found.add_folder(f"{root}/{path}")
        elif entry.is_link:
            _add_tree_link(found, root, path, tree, origin)
        else:
            found.add(f"{root}/{path}", create_readable_file(origin, partial(tree.read, path)))


def _add_tree_link(
    found: ContainerFiles, root: str, path: str, tree: SourceTree, origin: str
) -> None:
    """Add what a symbolic link of a tree leads to, as if it were a copy."""
    target = path
    for _attempt in range(MAX_LINKS):
        content = tree.read(target).decode(errors="surrogateescape")
        if content.startswith("/"):
            reason = _("it is a link to {target}", target=content)
            found.add(f"{root}/{path}", create_unreadable_file(origin, reason))
            return
        target = posixpath.normpath(posixpath.join(posixpath.dirname(target), content))
        if target not in tree.entries or not tree.entries[target].is_link:
            break
    if target in tree.entries:
        found.add(f"{root}/{path}", create_readable_file(origin, partial(tree.read, target)))
    for inner in tree.entries:
        if inner.startswith(f"{target}/"):
            name = f"{path}{inner.removeprefix(target)}"
            load = partial(tree.read, inner)
            found.add(f"{root}/{name}", create_readable_file(LINKED_FOLDER, load))


def _add_weights(
    found: ContainerFiles, store: Path, stored: Mapping[str, LockedFile], weights: Weights
) -> None:
    target = host_paths.to_container_path(found.release, weights.target)
    if target is not None:
        found.add_folder(target)
        for name, file in _list_weights(store, stored, weights):
            found.add(f"{target}/{name}", file)
    _add_link(found, store, stored, weights, is_migrated=False)


def _list_weights(
    store: Path, stored: Mapping[str, LockedFile], weights: Weights
) -> Iterator[tuple[str, ContainerFile]]:
    prefix, origin = weights.folder.rstrip("/") + "/", _("weights {name}", name=weights.name)
    for path in stored:
        if path.startswith(prefix):
            file = create_readable_file(origin, (store / path).read_bytes)
            yield path.removeprefix(prefix), file


def is_code(weights: Weights, name: str) -> bool:
    """Check whether a file of weights is code that is migrated with the tree of their link.

    Args:
        weights: Weights of a release.
        name: Path of the file below their folder.
    """
    patterns = weights.link.code if weights.link else ()
    return "/" not in name and any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _add_link(
    found: ContainerFiles,
    store: Path,
    stored: Mapping[str, LockedFile],
    weights: Weights,
    *,
    is_migrated: bool,
) -> None:
    """Add the files of weights that appear in a tree: their code before the migration, then all."""
    if weights.link is None:
        return
    source = found.release.find_source(weights.link.tree)
    root = host_paths.migrated_path(source) if is_migrated else source.path
    for name, file in _list_weights(store, stored, weights):
        if is_code(weights, name) != is_migrated:
            found.add(f"{root}/{weights.link.path}/{name}", file)


def _add_migrated(found: ContainerFiles, name: str) -> None:
    """Add the migrated tree of a source: its files, and those of others that lie below it."""
    source = found.release.find_source(name)
    root, target = source.path, host_paths.migrated_path(source)
    found.add_folder(target)
    for folder, reason in list(found.unreadable.items()):
        if folder == root or folder.startswith(f"{root}/"):
            found.unreadable[target + folder.removeprefix(root)] = reason
    root = found.find_canonical(root)
    for path in [path for path in found.files if path.startswith(f"{root}/")]:
        file = found.files[path]
        if file.origin != LINKED_FOLDER:
            found.add(target + path.removeprefix(root), create_migrated_file(path, file))
    report = create_unreadable_file(_("the migration tool"), _("it is written on the host"))
    found.add(f"{target}/{migration_rules.REPORT_FILE}", report)
