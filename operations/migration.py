"""The vendor's migration tool over each tree, from a clean output, and no more often than needed.

Big weight files are never copied by it: before the run only their code (what the tool has to
convert) is in the source tree; afterwards the migrated tree gets symbolic links to the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.release import host_paths
from fleet.release.model import Source, Weights, digest
from fleet.release.target import Wanted
from operations.host.facts import HostState
from operations.host.job import Step
from operations.stage import Body, Decision, Options, Stage


def linked(wanted: Wanted, source: Source) -> list[Weights]:
    return [w for w in wanted.release.weights if w.link and w.link.tree == source.name]


def inputs(wanted: Wanted, source: Source) -> str:
    """What a migrated tree is made from, its patches included: they come again with it."""
    release = wanted.release
    assert release.migration is not None
    root = host_paths.tree(source) + "/"
    return digest(
        [
            wanted.lock.commits[source.name],
            release.migration.tool,
            wanted.lock.image.id,
            [wanted.made_from(p) for p in release.patches if p.file.startswith(root)],
            [(w.model_dump(), host_paths.made_from(wanted, w)) for w in linked(wanted, source)],
        ]
    )[:16]


def sources(wanted: Wanted) -> list[Source]:
    migration = wanted.release.migration
    return [wanted.release.source(name) for name in migration.trees] if migration else []


def wrong(wanted: Wanted, state: HostState) -> list[tuple[Source, str]]:
    """Trees to make, each with why."""
    found = []
    for source in sources(wanted):
        path = host_paths.on_host(wanted.release, host_paths.tree(source))
        made, _, signature = state.stamps.get(f"tree-{source.name}", "").partition(" ")
        actual = state.trees.get(path)
        if actual is None:
            found.append((source, "there is none"))
        elif made != inputs(wanted, source):
            found.append((source, "its inputs changed" if made else "it is not ours"))
        elif signature != actual:
            found.append((source, "it was edited"))
    return found


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    return [f"migrate {source.name} ({why})" for source, why in wrong(wanted, state)]


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    release = wanted.release
    assert release.migration is not None
    for source, _ in wrong(wanted, state):
        weights = linked(wanted, source)
        for item in weights:
            assert item.link is not None
            yield Step(
                f"placing the code of {item.name}",
                "link-code",
                item.target,
                host_paths.link_path(release, item),
                *item.link.code,
                code="MIGRATION",
            )
        yield Step(
            f"migrating {source.name}",
            "migrate",
            release.container.name,
            release.image.python,
            release.migration.tool,
            source.path,
            host_paths.on_host(release, host_paths.tree(source)),
            f"tree-{source.name}",
            code="MIGRATION",
            timeout=3600,
        )
        for item in weights:
            yield Step(
                f"linking weights {item.name}",
                "link-weights",
                item.target,
                host_paths.link_path(release, item, migrated=True),
                code="MIGRATION",
            )
        yield Step(
            f"stamping {source.name}",
            "stamp-tree",
            f"tree-{source.name}",
            inputs(wanted, source),
            host_paths.on_host(release, host_paths.tree(source)),
            code="MIGRATION",
        )


STAGE = Stage("migration", decide, act, "MIGRATION")


@operation()
def done(wanted: Wanted, options: Options) -> Body:
    """Every listed tree has a complete migrated one beside it, made from today's inputs."""
    yield from STAGE.carry(wanted, options)
