"""Where things of a release lie on a host: derived, never said twice."""

from __future__ import annotations

from typing import Any

from fleet.release.model import Patch, Release, Source, Weights, digest
from fleet.release.target import Wanted

STATE = "/var/lib/mlufleet"
#: documents of the last releases that passed their smoke test
REMEMBERED = f"{STATE}/releases"
#: host folder that every container sees read-only: wheels and the smoke test's own script
SHARED, SHARED_IN_CONTAINER = f"{STATE}/shared", "/opt/mlufleet"


def shared(slot: str, inside: bool = False) -> str:
    """The shared folder of one of a host's releases, on the host or in the container."""
    root = SHARED_IN_CONTAINER if inside else SHARED
    return f"{root}/{slot}" if slot else root


def mounts(release: Release) -> list[tuple[str, str]]:
    """(host path, container path) of all that the container shows of the host."""
    return [
        ("/usr/bin/cnmon", "/usr/bin/cnmon"),
        (SHARED, SHARED_IN_CONTAINER),
        *((mount.host, mount.container) for mount in release.container.mounts),
    ]


def on_host(release: Release, path: str) -> str:
    """The host's path of what the container sees at ``path``; itself when it is not mounted."""
    mounts = sorted(release.container.mounts, key=lambda m: len(m.container), reverse=True)
    for mount in mounts:
        if path == mount.container or path.startswith(mount.container.rstrip("/") + "/"):
            return mount.host.rstrip("/") + path[len(mount.container.rstrip("/")) :]
    return path


def tree(source: Source) -> str:
    """The migrated tree of a source, as the vendor's tool names it."""
    return f"{source.path}_mlu"


def trees(release: Release) -> list[str]:
    """Host paths of all migrated trees."""
    if release.migration is None:
        return []
    return [on_host(release, tree(release.source(name))) for name in release.migration.trees]


#: what pip and Python leave in a checkout that is installed or run where it is
LEFTOVERS = ("__pycache__", "*.egg-info")


def inside(release: Release, source: Source) -> list[str]:
    """Paths in a checkout that are ours, as patterns for git: other checkouts, migrated trees and
    weights, what was kept of them under another name, and what running leaves there."""
    root = on_host(release, source.path).rstrip("/") + "/"
    paths = [on_host(release, other.path) for other in release.sources if other != source]
    paths += trees(release)
    paths += [link_path(release, w) for w in release.weights if w.link]
    names = ["/" + path.removeprefix(root) for path in paths if path.startswith(root)]
    beside = [f"{name}.{what}" for name in names for what in ("kept-*", "mlufleet-part")]
    return sorted([*names, *beside, *LEFTOVERS])


def patches_of(release: Release, weights: Weights) -> list[Patch]:
    """Patches of weights' own files, which are often code."""
    return [
        patch
        for patch in release.patches
        if on_host(release, patch.file).startswith(f"{weights.target}/")
    ]


def made_from(wanted: Wanted, weights: Weights) -> str:
    """What weights are made from, the patches of their code included: they come again with it."""
    files = wanted.lock.under(weights.folder)
    said: list[Any] = [{name: f.sha256 for name, f in files.items()}]
    said += [wanted.made_from(patch) for patch in patches_of(wanted.release, weights)]
    return digest(said)[:16]


def link_path(release: Release, weights: Weights, *, migrated: bool = False) -> str:
    """Host path where weights appear in a source's tree, or in its migrated one."""
    assert weights.link is not None
    source = release.source(weights.link.tree)
    base = tree(source) if migrated else source.path
    return f"{on_host(release, base)}/{weights.link.path}"
