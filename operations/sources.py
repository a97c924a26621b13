"""Git checkouts pinned to a commit, from a bundle or a URL; local edits are never discarded."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.language import _
from fleet.release import host_paths
from fleet.release.model import Source
from fleet.release.target import ReleaseTarget
from operations.host.command import HostCommand
from operations.host.facts import HostFacts, ReleaseFacts, SourceFacts
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
        if not _is_pinned(checkout, commit) or path in found.missing_git_excludes:
            unpinned.append(source)
    return sorted(unpinned, key=lambda source: len(source.path))


def _is_pinned(checkout: SourceFacts | None, commit: str) -> bool:
    if checkout is None or checkout.is_interrupted:
        return False
    return checkout.head == commit and not checkout.changed_files


def has_commit(checkout: SourceFacts | None, commit: str) -> bool:
    """Return whether a checkout's repository has a commit, so that no bundle is needed.

    Args:
        checkout: The checkout; None if there is none.
        commit: The commit that the lock has.
    """
    if checkout is None or checkout.status_error:  # a broken repository is cloned anew
        return False
    return checkout.has_pin or checkout.head == commit


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Compare every checkout with its locked commit.

    Edits may be kept aside if the inventory says so with `keep_dirty`, and in an adoption.

    Args:
        spec: The desired state of the host.
        target: The release.
        facts: The host.
    """
    actions, found = [], facts.releases[target.key]
    may_keep = spec.options.keep_dirty or spec.options.adopt
    for source in list_unpinned(target, found):
        path = host_paths.to_host_path(target.release, source.path)
        commit, checkout = target.lock.commits[source.name], found.sources.get(path)
        if checkout and not may_keep and not checkout.is_interrupted:
            failure = _find_obstacle(path, checkout, commit)
            if failure:
                return failure
        actions.append(_check_out(target, source, checkout, may_keep))
    return Plan(tuple(actions))


def _find_obstacle(path: str, checkout: SourceFacts, commit: str) -> Failure | None:
    """Why a checkout cannot be brought to a commit without touching what somebody else has made."""
    if checkout.head == "foreign":
        return Failure("SOURCE_FOREIGN", path)
    if checkout.status_error:
        return Failure(
            "SOURCE_DIRTY",
            _("{path}: git status: {status_error}", path=path, status_error=checkout.status_error),
        )
    if checkout.changed_files:
        return Failure("SOURCE_DIRTY", f"{path}: {checkout.change_summary}", checkout.edits)
    if checkout.operation and checkout.head != commit:
        return Failure(
            "SOURCE_DIRTY",
            _("{path}: a {operation} is not finished", path=path, operation=checkout.operation),
        )
    return None


def build_upload(
    target: ReleaseTarget, source: Source, checkout: SourceFacts | None
) -> Upload | None:
    """Return the upload of a source's bundle; None if the host needs none.

    Args:
        target: The release.
        source: One of its sources.
        checkout: What the host has of it; None if there is nothing.
    """
    if not source.bundle or has_commit(checkout, target.lock.commits[source.name]):
        return None
    local, sha = target.local_file(source.bundle)
    path = host_paths.artifact_path(source.bundle)
    return Upload(_("git bundle of {source}", source=source.name), [(local, path, sha)])


def _check_out(
    target: ReleaseTarget, source: Source, checkout: SourceFacts | None, may_keep: bool
) -> Action:
    commit = target.lock.commits[source.name]

    def commands() -> Iterator[HostCommand]:
        origin = source.url or ""
        if source.bundle:
            origin = host_paths.artifact_path(source.bundle)
        if upload := build_upload(target, source, checkout):
            yield upload
        yield RemoteJob(
            _("checking out {source}", source=source.name),
            "source",
            host_paths.to_host_path(target.release, source.path),
            origin,
            commit,
            source.url or "",
            "keep" if may_keep else "",
            *host_paths.git_excludes(target.release, source),
            *host_paths.tutorial_files(target.release),
            code="SOURCE_PIN",
            timeout=3600,
        )

    return Action(_describe(source, commit, checkout), lambda _: commands())


def _describe(source: Source, commit: str, checkout: SourceFacts | None) -> tuple[str, ...]:
    if checkout is not None and checkout.head == commit and not checkout.changed_files:
        return (_("tell the git of {source} what inside is ours", source=source.name),)
    words = _("bring {source} to {commit}", source=source.name, commit=commit[:12])
    if checkout is None or not (checkout.changed_files or checkout.head == "foreign"):
        return (words,)
    return (_("keep what was changed in {source}", source=source.name), words)


STAGE = ReleaseStage("sources", decide, "SOURCE_PIN")


@operation()
def pinned(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Check out every source at its locked commit.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
