"""The vendor's migration tool over each tree, from a clean output, and no more often than needed.

Big weight files are never copied by it: before the run only their code (what the tool has to
convert) is in the source tree; afterwards the migrated tree gets symbolic links to the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.release import host_paths
from fleet.release.model import Source, Weights, compute_digest
from fleet.release.target import ReleaseTarget
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.stage import Decision, HostOptions, OperationCommands, Stage


def linked_weights(target: ReleaseTarget, source: Source) -> list[Weights]:
    return [w for w in target.release.weights if w.link and w.link.tree == source.name]


def input_digest(target: ReleaseTarget, source: Source) -> str:
    """What a migrated tree is made from, its patches included: they come again with it."""
    release = target.release
    assert release.migration is not None
    root = host_paths.migrated_path(source) + "/"
    return compute_digest(
        [
            target.lock.commits[source.name],
            release.migration.tool,
            target.lock.image.id,
            [target.patch_inputs(p) for p in release.patches if p.file.startswith(root)],
            [
                (w.model_dump(), host_paths.weights_digest(target, w))
                for w in linked_weights(target, source)
            ],
        ]
    )[:16]


def migrated_sources(target: ReleaseTarget) -> list[Source]:
    migration = target.release.migration
    return [target.release.find_source(name) for name in migration.trees] if migration else []


def list_stale_trees(target: ReleaseTarget, facts: HostFacts) -> list[tuple[Source, str]]:
    """Trees to make, each with why."""
    found = []
    for source in migrated_sources(target):
        path = host_paths.to_host_path(target.release, host_paths.migrated_path(source))
        made, _, signature = facts.stamps.get(f"tree-{source.name}", "").partition(" ")
        actual = facts.trees.get(path)
        if actual is None:
            found.append((source, "there is none"))
        elif made != input_digest(target, source):
            found.append((source, "its inputs changed" if made else "it is not ours"))
        elif signature != actual:
            found.append((source, "it was edited"))
    return found


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    return [f"migrate {source.name} ({why})" for source, why in list_stale_trees(target, facts)]


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    release = target.release
    assert release.migration is not None
    for source, _ in list_stale_trees(target, facts):
        weights = linked_weights(target, source)
        for item in weights:
            assert item.link is not None
            yield RemoteJob(
                f"placing the code of {item.name}",
                "link-code",
                item.target,
                host_paths.weights_link_path(release, item),
                *item.link.code,
                code="MIGRATION",
            )
        yield RemoteJob(
            f"migrating {source.name}",
            "migrate",
            release.container.name,
            release.image.python,
            release.migration.tool,
            source.path,
            host_paths.to_host_path(release, host_paths.migrated_path(source)),
            f"tree-{source.name}",
            code="MIGRATION",
            timeout=3600,
        )
        for item in weights:
            yield RemoteJob(
                f"linking weights {item.name}",
                "link-weights",
                item.target,
                host_paths.weights_link_path(release, item, migrated=True),
                code="MIGRATION",
            )
        yield RemoteJob(
            f"stamping {source.name}",
            "stamp-tree",
            f"tree-{source.name}",
            input_digest(target, source),
            host_paths.to_host_path(release, host_paths.migrated_path(source)),
            code="MIGRATION",
        )


STAGE = Stage("migration", decide, act, "MIGRATION")


@operation()
def done(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """Every listed tree has a complete migrated one beside it, made from today's inputs."""
    yield from STAGE.converge(target, options)
