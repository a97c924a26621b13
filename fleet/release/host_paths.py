"""Where things of a release lie on a host: derived, never said twice."""

from __future__ import annotations

from typing import Any

from fleet.release.model import Patch, Release, Source, Weights, compute_digest
from fleet.release.target import ReleaseTarget

STATE_FOLDER = "/var/lib/mlufleet"
#: documents of the last releases that passed their smoke test
SNAPSHOTS_FOLDER = f"{STATE_FOLDER}/releases"
#: host folder that every container sees read-only: wheels and the smoke test's own script
SHARED_FOLDER, SHARED_IN_CONTAINER = f"{STATE_FOLDER}/shared", "/opt/mlufleet"


def shared_folder(key: str, in_container: bool = False) -> str:
    """The shared folder of one of a host's releases, on the host or in the container."""
    root = SHARED_IN_CONTAINER if in_container else SHARED_FOLDER
    return f"{root}/{key}" if key else root


def list_mounts(release: Release) -> list[tuple[str, str]]:
    """(host path, container path) of all that the container shows of the host."""
    return [
        ("/usr/bin/cnmon", "/usr/bin/cnmon"),
        (SHARED_FOLDER, SHARED_IN_CONTAINER),
        *((mount.host, mount.container) for mount in release.container.mounts),
    ]


def to_host_path(release: Release, path: str) -> str:
    """The host's path of what the container sees at ``path``; itself when it is not mounted."""
    mounts = sorted(release.container.mounts, key=lambda m: len(m.container), reverse=True)
    for mount in mounts:
        if path == mount.container or path.startswith(mount.container.rstrip("/") + "/"):
            return mount.host.rstrip("/") + path[len(mount.container.rstrip("/")) :]
    return path


def migrated_path(source: Source) -> str:
    """The migrated tree of a source, as the vendor's tool names it."""
    return f"{source.path}_mlu"


def migrated_host_paths(release: Release) -> list[str]:
    """Host paths of all migrated trees."""
    if release.migration is None:
        return []
    return [
        to_host_path(release, migrated_path(release.find_source(name)))
        for name in release.migration.trees
    ]


#: what pip and Python leave in a checkout that is installed or run where it is
RUNTIME_FILES = ("__pycache__", "*.egg-info")


def git_excludes(release: Release, source: Source) -> list[str]:
    """Paths in a checkout that are ours, as patterns for git: other checkouts, migrated trees and
    weights, what was kept of them under another name, and what running leaves there."""
    root = to_host_path(release, source.path).rstrip("/") + "/"
    paths = [to_host_path(release, other.path) for other in release.sources if other != source]
    paths += migrated_host_paths(release)
    paths += [weights_link_path(release, w) for w in release.weights if w.link]
    names = ["/" + path.removeprefix(root) for path in paths if path.startswith(root)]
    beside = [f"{name}.{what}" for name in names for what in ("kept-*", "mlufleet-part")]
    return sorted([*names, *beside, *RUNTIME_FILES])


def find_weights_patches(release: Release, weights: Weights) -> list[Patch]:
    """Patches of weights' own files, which are often code."""
    return [
        patch
        for patch in release.patches
        if to_host_path(release, patch.file).startswith(f"{weights.target}/")
    ]


def weights_digest(target: ReleaseTarget, weights: Weights) -> str:
    """What weights are made from, the patches of their code included: they come again with it."""
    files = target.lock.files_in(weights.folder)
    said: list[Any] = [{name: f.sha256 for name, f in files.items()}]
    said += [target.patch_inputs(patch) for patch in find_weights_patches(target.release, weights)]
    return compute_digest(said)[:16]


def weights_link_path(release: Release, weights: Weights, *, migrated: bool = False) -> str:
    """Host path where weights appear in a source's tree, or in its migrated one."""
    assert weights.link is not None
    source = release.find_source(weights.link.tree)
    base = migrated_path(source) if migrated else source.path
    return f"{to_host_path(release, base)}/{weights.link.path}"
