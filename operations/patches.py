"""Patches by anchor, never by line number, verified by the sha256 of the result."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.language import _
from fleet.release import host_paths
from fleet.release.target import ReleaseTarget
from operations import migration, weights
from operations.file_patches import FilePatch, group_by_file
from operations.host.command import HostCommand
from operations.host.facts import HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.stage import Action, Decision, HostSpec, OperationCommands, Plan, ReleaseStage


def list_unapplied(target: ReleaseTarget, found: ReleaseFacts) -> list[FilePatch]:
    """Return the files on the host to patch; the container's own are patched with its packages.

    Args:
        target: The release.
        found: The release on the host.
    """
    return [
        patch
        for patch in group_by_file(target)
        if not patch.container_name and not patch.is_applied(found)
    ]


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Compare the patched files on the host with the release.

    Args:
        spec: The desired state of the host.
        target: The release.
        facts: The host.
    """
    found = facts.releases[target.key]
    return Plan(tuple(_apply(target, patch, found) for patch in list_unapplied(target, found)))


def _apply(target: ReleaseTarget, patch: FilePatch, found: ReleaseFacts) -> Action:
    def commands() -> Iterator[HostCommand]:
        trees = [
            source
            for source in migration.migrated_sources(target)
            if patch.file.startswith(f"{host_paths.migrated_path(source)}/")
        ]
        for source in trees:  # an interruption must not make the tree look edited by somebody
            yield RemoteJob(
                _("opening the migrated tree"),
                "stamp",
                f"tree-{source.name}.running",
                "patch",
                code="PATCH",
            )
        yield patch.build_edit(found)
        for source in trees:
            yield migration.build_stamp_job(target, source, _("stamping the patched tree"), "PATCH")
        for item in target.release.weights:
            if patch.path.startswith(f"{item.target}/"):
                yield weights.build_stamp_job(target, item)

    return Action((patch.title,), lambda _: commands())


STAGE = ReleaseStage("patch", decide, "PATCH")


@operation()
def applied(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Patch every file on the host that the release patches.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
