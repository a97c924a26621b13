"""Git checkouts pinned to a commit, from a bundle or a URL; local edits are never discarded."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.release import host_paths
from fleet.release.model import Source
from fleet.release.target import ReleaseTarget
from operations.host.command import HostCommand
from operations.host.facts import HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.stage import Action, Decision, HostSpec, OperationCommands, Plan, ReleaseStage
from operations.transfer.upload import Upload


def list_unpinned(target: ReleaseTarget, found: ReleaseFacts) -> list[Source]:
    """Return the sources that are not exactly at their commit, outer checkouts first.

    Args:
        target: The release.
        found: The release on the host.
    """
    unpinned = []
    for source in target.release.sources:
        path = host_paths.to_host_path(target.release, source.path)
        checkout, commit = found.sources.get(path), target.lock.commits[source.name]
        is_pinned = checkout and checkout.head == commit and not checkout.changed_files
        if not is_pinned or path in found.missing_git_excludes:
            unpinned.append(source)
    return sorted(unpinned, key=lambda source: len(source.path))


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Compare every checkout with its locked commit.

    Args:
        spec: The desired state of the host.
        target: The release.
        facts: The host.
    """
    actions, found = [], facts.releases[target.key]
    for source in list_unpinned(target, found):
        path = host_paths.to_host_path(target.release, source.path)
        commit, checkout = target.lock.commits[source.name], found.sources.get(path)
        if checkout and not spec.options.keep_dirty:
            if checkout.head == "foreign":
                return Failure("SOURCE_FOREIGN", path)
            if checkout.changed_files:
                reason = f"git status: {checkout.status_error}"
                if not checkout.status_error:
                    reason = f"{checkout.changed_files} paths"
                return Failure("SOURCE_DIRTY", f"{path}: {reason}")
        if checkout and checkout.head == commit and not checkout.changed_files:
            words = f"tell the git of {source.name} what inside is ours"
        else:
            words = f"bring {source.name} to {commit[:12]}"
        actions.append(_check_out(target, source, words))
    return Plan(tuple(actions))


def _check_out(target: ReleaseTarget, source: Source, words: str) -> Action:
    def commands() -> Iterator[HostCommand]:
        origin = source.url or ""
        if source.bundle:
            local, sha = target.local_file(source.bundle)
            origin = f"{host_paths.STATE_FOLDER}/artifacts/{source.bundle}"
            yield Upload(f"git bundle of {source.name}", [(local, origin, sha)])
        yield RemoteJob(
            f"checking out {source.name}",
            "source",
            host_paths.to_host_path(target.release, source.path),
            origin,
            target.lock.commits[source.name],
            source.url or "",
            *host_paths.git_excludes(target.release, source),
            code="SOURCE_PIN",
            timeout=3600,
        )

    return Action((words,), lambda _: commands())


STAGE = ReleaseStage("sources", decide, "SOURCE_PIN")


@operation()
def pinned(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Check out every source at its locked commit.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
