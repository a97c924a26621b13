"""Checkouts of a release's sources that the user has in another place than the release."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import yaml

from fleet.language import _
from fleet.release import host_paths
from fleet.release.target import ReleaseTarget
from operations.adoption.engine_contents import EngineContents, MadeContainer
from operations.adoption.findings import Finding, Relation, name_owner


def list_other_places(
    target: ReleaseTarget, contents: EngineContents
) -> Iterator[tuple[MadeContainer, str, str, str]]:
    """Yield folders that a container made by hand shows where the release has its own folder.

    Args:
        target: The release.
        contents: What the host's engine has.

    Yields:
        The container, the path in it, the folder of the host, and the release's.
    """
    release = target.release
    wanted = {mount.container: mount.host for mount in release.container.mounts}
    for container in contents.containers:
        for inside, folder in sorted(container.mounts.items()):
            if not container.is_ours and wanted.get(inside, folder) != folder:
                yield container, inside, folder, wanted[inside]


def list_paths(target: ReleaseTarget, contents: EngineContents) -> dict[str, str]:
    """Return where a host may have checkouts of a release's sources besides the release's places.

    Args:
        target: The release.
        contents: What the host's engine has.

    Returns:
        Path on the host -> name of the source.
    """
    release, paths = target.release, dict[str, str]()
    for container in contents.containers:
        for source in release.sources:
            path = "" if container.is_ours else container.to_host_path(source.path)
            if path and path != host_paths.to_host_path(release, source.path):
                paths[path] = source.name
    return paths


def describe_clones(
    target: ReleaseTarget, contents: EngineContents, heads: dict[str, tuple[str, str]]
) -> Iterator[Finding]:
    """Yield a finding for each checkout of a source in another place, with what to write.

    Args:
        target: The release.
        contents: What the host's engine has.
        heads: Path -> commit and owner of each checkout that is there.
    """
    release = target.release
    sources = list_paths(target, contents)
    for container, inside, folder, wanted in list_other_places(target, contents):
        below = {
            path: sources[path]
            for path in heads
            if path in sources and f"{path}/".startswith(f"{folder.rstrip('/')}/")
        }
        if not below:
            continue
        heads_below = [
            _describe_head(target, name, path, heads[path][0]) for path, name in below.items()
        ]
        yield Finding(
            _("clones in {folder}", folder=folder),
            Relation.DIFFERENT,
            folder,
            _("container {container} has it at {inside}", container=container.name, inside=inside),
            name_owner(heads[min(below, key=len)][1]),
            (
                *heads_below,
                _(
                    "{release} has its sources in {wanted}; a release that uses this "
                    "folder instead: {release_lines}",
                    release=release.name,
                    wanted=wanted,
                    release_lines=_format_release(target, inside, folder),
                ),
            ),
        )


def _describe_head(target: ReleaseTarget, name: str, path: str, head: str) -> str:
    commit = target.lock.commits[name]
    relation = (
        _("as the release") if head == commit else _("the release has {commit}", commit=commit[:12])
    )
    found = head[:12] or _("no commit")
    return _(
        "{name} in {path}: {commit}, {relation}",
        name=name,
        path=path,
        commit=found,
        relation=relation,
    )


def _format_release(target: ReleaseTarget, inside: str, folder: str) -> str:
    """Return a release, in one line of YAML, that shows another folder of the host at a path."""
    release, mounts = target.release, list[dict[str, object]]()
    for mount in release.container.mounts:
        source = folder if mount.container == inside else mount.host
        read_only = {"read_only": True} if mount.read_only else {}
        mounts.append({"host": source, "container": mount.container, **read_only})
    fields = {
        "extends": release.name,
        "name": f"{release.name}-here",
        "container": {"mounts": mounts},
    }
    text: str = yaml.safe_dump(
        fields, default_flow_style=True, sort_keys=False, allow_unicode=True, width=sys.maxsize
    )
    return text.strip()
