"""Git checkouts pinned to a commit, from a bundle or a URL; nobody's edits are thrown away."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.errors import Failure
from fleet.release import host_paths
from fleet.release.model import Source
from fleet.release.target import Wanted
from operations.host.facts import HostState
from operations.host.job import Step
from operations.stage import Body, Decision, Options, Stage
from operations.transfer.upload import Upload


def wrong(wanted: Wanted, state: HostState) -> list[Source]:
    """Sources that are not exactly at their commit, those that contain others first."""
    bad = []
    for source in wanted.release.sources:
        path = host_paths.on_host(wanted.release, source.path)
        found = state.sources.get(path)
        right = found and found.head == wanted.lock.commits[source.name] and not found.dirty
        if not right or path in state.unlisted:
            bad.append(source)
    return sorted(bad, key=lambda s: len(s.path))


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    todo = []
    for source in wrong(wanted, state):
        path = host_paths.on_host(wanted.release, source.path)
        commit = wanted.lock.commits[source.name]
        found = state.sources.get(path)
        if found and found.head == "foreign" and not options.keep_dirty:
            return Failure("SOURCE_FOREIGN", path)
        if found and found.dirty and not options.keep_dirty:
            said = f"git status: {found.why}" if found.why else f"{found.dirty} paths"
            return Failure("SOURCE_DIRTY", f"{path}: {said}")
        if found and found.head == commit and not found.dirty:
            todo.append(f"tell the git of {source.name} what inside is ours")
        else:
            todo.append(f"bring {source.name} to {commit[:12]}")
    return todo


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    for source in wrong(wanted, state):
        path = host_paths.on_host(wanted.release, source.path)
        origin = source.url or ""
        if source.bundle:
            local, sha = wanted.local(source.bundle)
            origin = f"{host_paths.STATE}/artifacts/{source.bundle}"
            yield Upload(f"git bundle of {source.name}", [(local, origin, sha)])
        yield Step(
            f"checking out {source.name}",
            "source",
            path,
            origin,
            wanted.lock.commits[source.name],
            source.url or "",
            *host_paths.inside(wanted.release, source),
            code="SOURCE_PIN",
            timeout=3600,
            uses="git places",
        )


STAGE = Stage("sources", decide, act, "SOURCE_PIN")


@operation()
def pinned(wanted: Wanted, options: Options) -> Body:
    """Every source is a clean checkout of its locked commit."""
    yield from STAGE.carry(wanted, options)
