"""The vendor's migration tool over each source tree, into a clean output, only when needed.

The tool copies everything that it finds. It therefore gets a copy of the commit and of the code
that comes with weights, so that neither weights nor files of others are copied; afterwards the
migrated tree gets symbolic links to the weights.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.language import N_, _
from fleet.release import host_paths
from fleet.release.model import Source, Weights, compute_digest
from fleet.release.target import ReleaseTarget
from operations.file_patches import group_by_file
from operations.host.command import HostCommand
from operations.host.facts import HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.migrated_tree import TreeComparison
from operations.stage import (
    Action,
    Decision,
    HostOptions,
    HostSpec,
    OperationCommands,
    Plan,
    ReleaseStage,
)
from operations.tree_inspection import CompareTree

#: reasons for which a tree is made again
NONE_THERE, OUTDATED = N_("there is none"), N_("its inputs changed")
NOT_OURS, EDITED = N_("it is not ours"), N_("it was edited")


def linked_weights(target: ReleaseTarget, source: Source) -> list[Weights]:
    """Return the weights that are linked into a source's tree.

    Args:
        target: The release.
        source: One of its sources.
    """
    return [w for w in target.release.weights if w.link and w.link.tree == source.name]


def input_digest(target: ReleaseTarget, source: Source) -> str:
    """Return the digest of everything a migrated tree is made from, its patches included.

    Args:
        target: The release.
        source: One of its sources that is migrated.
    """
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
                (weights.model_dump(), host_paths.weights_digest(target, weights))
                for weights in linked_weights(target, source)
            ],
        ]
    )[:16]


def migrated_sources(target: ReleaseTarget) -> list[Source]:
    """Return the sources that are migrated.

    Args:
        target: The release.
    """
    migration = target.release.migration
    return [target.release.find_source(name) for name in migration.trees] if migration else []


def list_stale_trees(target: ReleaseTarget, found: ReleaseFacts) -> list[tuple[Source, str]]:
    """Return the sources whose migrated tree has to be made, each with the reason.

    Args:
        target: The release.
        found: The release on the host.
    """
    stale = []
    for source in migrated_sources(target):
        path = host_paths.to_host_path(target.release, host_paths.migrated_path(source))
        made, _blank, signature = found.stamps.get(f"tree-{source.name}", "").partition(" ")
        actual = found.trees.get(path)
        if actual is None:
            stale.append((source, NONE_THERE))
        elif made != input_digest(target, source):
            stale.append((source, OUTDATED if made else NOT_OURS))
        elif signature != actual:
            stale.append((source, EDITED))
    return stale


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Compare every migrated tree with its inputs.

    Args:
        spec: The desired state of the host.
        target: The release.
        facts: The host.
    """
    found = facts.releases[target.key]
    return Plan(
        tuple(
            _adopt(target, source, reason)
            if _may_be_adopted(source, found, reason, spec.options)
            else _migrate(target, source, reason)
            for source, reason in list_stale_trees(target, found)
        )
    )


def _may_be_adopted(source: Source, found: ReleaseFacts, reason: str, options: HostOptions) -> bool:
    """Whether somebody else made a tree, so that it stays if it is what the tool makes.

    The user of a tree that was taken over may go on to work in it. A tree of an interrupted
    migration is the tool's own.
    """
    if f"tree-{source.name}.adopted" in found.stamps:
        return reason in (NOT_OURS, EDITED)
    is_interrupted = f"tree-{source.name}.running" in found.stamps
    return options.adopt and reason == NOT_OURS and not is_interrupted


def _migrate(target: ReleaseTarget, source: Source, reason: str) -> Action:
    words = _("migrate {source} ({reason})", source=source.name, reason=_(reason))
    return Action((words,), lambda _: _make_tree(target, source))


def _make_tree(target: ReleaseTarget, source: Source) -> Iterator[HostCommand]:
    yield _run_tool(target, source)
    yield from _complete_tree(target, source)


def _complete_tree(target: ReleaseTarget, source: Source) -> Iterator[HostCommand]:
    for weights in linked_weights(target, source):
        yield _link_weights(target, source, weights)
    yield build_stamp_job(target, source, _("stamping {source}", source=source.name), "MIGRATION")


def _adopt(target: ReleaseTarget, source: Source, reason: str) -> Action:
    """Take over a tree that somebody made, if it is what the tool makes; else make it anew."""

    def commands() -> Iterator[HostCommand]:
        compare = CompareTree(target, source)
        yield compare
        if compare.comparison is None or not compare.comparison.is_equal:
            yield from _make_tree(target, source)
            return
        yield _take_over(target, source, compare.comparison)
        yield from _complete_tree(target, source)

    words = _(
        "take over {source}_mlu if it is what the tool makes, else migrate {source} ({reason})",
        source=source.name,
        reason=_(reason),
    )
    return Action((words,), lambda _: commands())


def _take_over(target: ReleaseTarget, source: Source, found: TreeComparison) -> RemoteJob:
    path = host_paths.to_host_path(target.release, host_paths.migrated_path(source))
    patched = {f"{path}/{name}": sha256 for name, sha256 in found.patched.items()}
    stamps = [
        word
        for patch in group_by_file(target)
        if not patch.container_name and patch.path in patched
        for word in (patch.stamp_name, patched[patch.path])
    ]
    return RemoteJob(
        _("taking over {source}_mlu", source=source.name),
        "adopt-tree",
        path,
        f"tree-{source.name}",
        found.tree.signature,
        *stamps,
        code="MIGRATION",
    )


def _run_tool(target: ReleaseTarget, source: Source) -> RemoteJob:
    release = target.release
    assert release.migration is not None
    checkout = host_paths.to_host_path(release, source.path)
    others = (host_paths.to_host_path(release, other.path) for other in release.sources)
    code = [
        words
        for weights in linked_weights(target, source)
        if weights.link
        for pattern in weights.link.code
        for words in (weights.target, weights.link.path, pattern)
    ]
    return RemoteJob(
        _("migrating {source}", source=source.name),
        "migrate",
        release.container.name,
        release.image.python,
        release.migration.tool,
        source.path,
        checkout,
        host_paths.to_host_path(release, host_paths.migrated_path(source)),
        f"tree-{source.name}",
        ":".join(path for path in others if path.startswith(f"{checkout}/")),
        *code,
        code="MIGRATION",
        timeout=3600,
    )


def _link_weights(target: ReleaseTarget, source: Source, weights: Weights) -> RemoteJob:
    return RemoteJob(
        _("linking weights {weights}", weights=weights.name),
        "link-weights",
        weights.target,
        host_paths.weights_link_path(target.release, weights, migrated=True),
        f"tree-{source.name}",
        code="MIGRATION",
    )


def build_stamp_job(target: ReleaseTarget, source: Source, title: str, code: str) -> RemoteJob:
    """Return the job that records what a migrated tree was made from.

    Args:
        target: The release.
        source: The source whose migrated tree is complete.
        title: What the operator reads.
        code: Failure code of the job.
    """
    return RemoteJob(
        title,
        "stamp-tree",
        f"tree-{source.name}",
        input_digest(target, source),
        host_paths.to_host_path(target.release, host_paths.migrated_path(source)),
        code=code,
    )


STAGE = ReleaseStage("migration", decide, "MIGRATION")


@operation()
def done(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Make a migrated tree of every listed source from its current inputs.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
