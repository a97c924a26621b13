"""Git checkouts pinned to a commit, from a bundle or a URL; nobody's edits are thrown away."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.release import host_paths
from fleet.release.model import Source
from fleet.release.target import ReleaseTarget
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.stage import Decision, HostOptions, OperationCommands, Stage
from operations.transfer.upload import Upload


def list_unpinned(target: ReleaseTarget, facts: HostFacts) -> list[Source]:
    """Sources that are not exactly at their commit, those that contain others first."""
    bad = []
    for source in target.release.sources:
        path = host_paths.to_host_path(target.release, source.path)
        found = facts.sources.get(path)
        right = found and found.head == target.lock.commits[source.name] and not found.changed_files
        if not right or path in facts.missing_git_excludes:
            bad.append(source)
    return sorted(bad, key=lambda s: len(s.path))


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    todo = []
    for source in list_unpinned(target, facts):
        path = host_paths.to_host_path(target.release, source.path)
        commit = target.lock.commits[source.name]
        found = facts.sources.get(path)
        if found and found.head == "foreign" and not options.keep_dirty:
            return Failure("SOURCE_FOREIGN", path)
        if found and found.changed_files and not options.keep_dirty:
            said = (
                f"git status: {found.status_error}"
                if found.status_error
                else f"{found.changed_files} paths"
            )
            return Failure("SOURCE_DIRTY", f"{path}: {said}")
        if found and found.head == commit and not found.changed_files:
            todo.append(f"tell the git of {source.name} what inside is ours")
        else:
            todo.append(f"bring {source.name} to {commit[:12]}")
    return todo


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    for source in list_unpinned(target, facts):
        path = host_paths.to_host_path(target.release, source.path)
        origin = source.url or ""
        if source.bundle:
            local, sha = target.local_file(source.bundle)
            origin = f"{host_paths.STATE_FOLDER}/artifacts/{source.bundle}"
            yield Upload(f"git bundle of {source.name}", [(local, origin, sha)])
        yield RemoteJob(
            f"checking out {source.name}",
            "source",
            path,
            origin,
            target.lock.commits[source.name],
            source.url or "",
            *host_paths.git_excludes(target.release, source),
            code="SOURCE_PIN",
            timeout=3600,
            libraries="git places",
        )


STAGE = Stage("sources", decide, act, "SOURCE_PIN")


@operation()
def pinned(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """Every source is a clean checkout of its locked commit."""
    yield from STAGE.converge(target, options)
