"""Where things of a release lie on a host, derived from its paths in the container."""

from __future__ import annotations

from typing import Any

from fleet.release.model import Patch, Release, Source, Weights, compute_digest
from fleet.release.target import ReleaseTarget

#: The state folder of mlu-fleet on a host.
STATE_FOLDER = "/var/lib/mlufleet"
#: Snapshots of the last releases that passed their smoke test.
SNAPSHOTS_FOLDER = f"{STATE_FOLDER}/releases"
#: Folder that every container sees read-only: wheels and the script of the smoke test.
SHARED_FOLDER, SHARED_IN_CONTAINER = f"{STATE_FOLDER}/shared", "/opt/mlufleet"
#: Folder with what the servers of a release need; only its own container sees it, read-only.
SERVE_FOLDER, SERVE_IN_CONTAINER = f"{STATE_FOLDER}/serve", "/etc/mlufleet-serve"
#: What pip and Python create in a checkout that is installed or run in place.
RUNTIME_FILES = ("__pycache__", "*.egg-info")
#: How the vendor names driver packages.
DRIVER_FILES = ("cambricon-mlu-driver*.deb", "cambricon-mlu-driver*.rpm")


def shared_folder(key: str, in_container: bool = False) -> str:
    """Return the shared folder of a release.

    Args:
        key: Key of the release on the host; "" if it is the only one.
        in_container: Whether to return the path in the container instead of the host's.
    """
    root = SHARED_IN_CONTAINER if in_container else SHARED_FOLDER
    return f"{root}/{key}" if key else root


def serve_folder(key: str) -> str:
    """Return the folder with what the servers of a release need.

    Args:
        key: Key of the release on the host; "" if it is the only one.
    """
    return f"{SERVE_FOLDER}/{key}" if key else SERVE_FOLDER


def artifact_path(name: str) -> str:
    """Return where a file or a folder of the store lies on a host while it is installed.

    Args:
        name: Its path in the store.
    """
    return f"{STATE_FOLDER}/artifacts/{name}"


def list_mounts(release: Release) -> list[tuple[str, str]]:
    """List everything of the host that is mounted into the container.

    Args:
        release: The release.

    Returns:
        (host path, container path) of each mount.
    """
    return [
        ("/usr/bin/cnmon", "/usr/bin/cnmon"),
        (SHARED_FOLDER, SHARED_IN_CONTAINER),
        *((mount.host, mount.container) for mount in release.container.mounts),
    ]


def to_host_path(release: Release, path: str) -> str:
    """Convert a path in the container to the path on the host.

    Args:
        release: The release.
        path: Path in the container.

    Returns:
        Path on the host; the same path if it is not below a mount.
    """
    mounts = sorted(release.container.mounts, key=lambda m: len(m.container), reverse=True)
    for mount in mounts:
        if path == mount.container or path.startswith(mount.container.rstrip("/") + "/"):
            return mount.host.rstrip("/") + path[len(mount.container.rstrip("/")) :]
    return path


def to_container_path(release: Release, path: str) -> str | None:
    """Convert a path on the host to the path in the container.

    Args:
        release: The release.
        path: Path on the host.

    Returns:
        Path in the container; None if no mount shows it there.
    """
    mounts = sorted(release.container.mounts, key=lambda m: len(m.host), reverse=True)
    for mount in mounts:
        root = mount.host.rstrip("/")
        if f"{path}/".startswith(f"{root}/"):
            return (mount.container.rstrip("/") + path.removeprefix(root)) or "/"
    return None


def migrated_path(source: Source) -> str:
    """Return the path of a source's migrated tree in the container, as the vendor's tool names it.

    Args:
        source: A source that is migrated.
    """
    return f"{source.path}_mlu"


def migrated_host_paths(release: Release) -> list[str]:
    """List the host paths of all migrated trees.

    Args:
        release: The release.

    Returns:
        The paths; empty if nothing is migrated.
    """
    if release.migration is None:
        return []
    sources = [release.find_source(name) for name in release.migration.trees]
    return [to_host_path(release, migrated_path(source)) for source in sources]


def git_excludes(release: Release, source: Source) -> list[str]:
    """List the paths in a checkout that belong to mlu-fleet, as patterns for .git/info/exclude.

    These are nested checkouts, migrated trees, linked weights, patched files, backups of them under
    another name, and :data:`RUNTIME_FILES`.

    Args:
        release: The release.
        source: The checkout.

    Returns:
        The patterns, sorted.
    """
    root = to_host_path(release, source.path).rstrip("/") + "/"
    paths = [to_host_path(release, other.path) for other in release.sources if other != source]
    paths += migrated_host_paths(release)
    paths += [weights_link_path(release, w) for w in release.weights if w.link]
    paths += [to_host_path(release, patch.file) for patch in find_source_patches(release, source)]
    names = ["/" + path.removeprefix(root) for path in paths if path.startswith(root)]
    backups = [f"{name}.{suffix}" for name in names for suffix in ("kept-*", "mlufleet-part")]
    return sorted([*names, *backups, *RUNTIME_FILES])


def tutorial_files(release: Release) -> list[str]:
    """List the names of files that the tutorials have users put into a checkout, wherever that is.

    These are the image's archive and the vendor's driver packages. They are nobody's edits.

    Args:
        release: The release.

    Returns:
        Patterns for .git/info/exclude.
    """
    image = release.image.file
    return [*([image.rpartition("/")[2]] if image else []), *DRIVER_FILES]


def list_trees(release: Release) -> dict[str, Source | None]:
    """List the trees that a release puts on a host.

    Args:
        release: The release.

    Returns:
        Host path -> the source for a checkout, None for a migrated tree and for weights.
    """
    trees: dict[str, Source | None] = {weights.target: None for weights in release.weights}
    trees |= dict.fromkeys(migrated_host_paths(release))
    return trees | {to_host_path(release, source.path): source for source in release.sources}


def find_tree(trees: dict[str, Source | None], path: str) -> str | None:
    """Find the innermost tree that has a file.

    Args:
        trees: From :func:`list_trees`.
        path: Host path of the file.

    Returns:
        Host path of the tree; None if the file is in none.
    """
    found = [root for root in trees if path.startswith(f"{root}/")]
    return max(found, key=len) if found else None


def is_in_tree(release: Release, path: str) -> bool:
    """Check whether a file belongs to a source, its migrated tree or weights.

    Args:
        release: The release.
        path: Path in the container.
    """
    return find_tree(list_trees(release), to_host_path(release, path)) is not None


def find_source_patches(release: Release, source: Source) -> list[Patch]:
    """Find the patches of files in a checkout itself, not in its migrated tree.

    Args:
        release: The release.
        source: A source of the release.

    Returns:
        The patches, in the order of the release.
    """
    trees, root = list_trees(release), to_host_path(release, source.path)
    return [
        patch
        for patch in release.patches
        if find_tree(trees, to_host_path(release, patch.file)) == root
    ]


def find_weights_patches(release: Release, weights: Weights) -> list[Patch]:
    """Find the patches of files that belong to weights, which often include code.

    Args:
        release: The release.
        weights: Weights of the release.

    Returns:
        The patches, in the order of the release.
    """
    return [
        patch
        for patch in release.patches
        if to_host_path(release, patch.file).startswith(f"{weights.target}/")
    ]


def weights_digest(target: ReleaseTarget, weights: Weights) -> str:
    """Compute the digest of weights and of the patches of their files.

    If a patch changes, the weights are placed again before they are patched.

    Args:
        target: The release.
        weights: Weights of the release.

    Returns:
        16 hex digits.
    """
    files = target.lock.files_in(weights.folder)
    inputs: list[Any] = [{name: file.sha256 for name, file in files.items()}]
    inputs += [
        target.patch_inputs(patch) for patch in find_weights_patches(target.release, weights)
    ]
    return compute_digest(inputs)[:16]


def weights_link_path(release: Release, weights: Weights, *, migrated: bool = False) -> str:
    """Return the host path where weights appear in a source's tree.

    Args:
        release: The release.
        weights: Weights with a link.
        migrated: Whether to return the path in the migrated tree instead of the source.
    """
    assert weights.link is not None
    source = release.find_source(weights.link.tree)
    base = migrated_path(source) if migrated else source.path
    return f"{to_host_path(release, base)}/{weights.link.path}"
