"""Weights, verified by the lock's own checksums, once on the host's disk."""

from __future__ import annotations

from pyinfra.api import operation

from fleet.language import _
from fleet.release import host_paths
from fleet.release.model import Weights
from fleet.release.target import ReleaseTarget
from operations.host.facts import HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.stage import Action, Decision, HostSpec, OperationCommands, Plan, ReleaseStage
from operations.transfer.upload import Upload


def list_unplaced(target: ReleaseTarget, found: ReleaseFacts) -> list[Weights]:
    """Return the weights whose stamp does not match the locked files and the tree on disk.

    A changed file changes the signature of its tree.

    Args:
        target: The release.
        found: The release on the host.
    """
    return [
        weights
        for weights in target.release.weights
        if found.stamps.get(f"weights-{weights.name}")
        != f"{host_paths.weights_digest(target, weights)} {found.trees.get(weights.target, '')}"
    ]


def build_stamp_job(target: ReleaseTarget, weights: Weights) -> RemoteJob:
    """Return the job that records what weights were made from.

    Args:
        target: The release.
        weights: Some of its weights, complete on the host.
    """
    return RemoteJob(
        _("stamping weights {weights}", weights=weights.name),
        "stamp-tree",
        f"weights-{weights.name}",
        host_paths.weights_digest(target, weights),
        weights.target,
        code="WEIGHTS",
    )


def build_upload(target: ReleaseTarget, weights: Weights) -> Upload:
    """Return the upload of weights.

    Args:
        target: The release.
        weights: Some of its weights.
    """
    files = [
        (target.store / weights.folder / name, f"{weights.target}/{name}", locked.sha256)
        for name, locked in target.lock.files_in(weights.folder).items()
    ]
    return Upload(target.qualify_title(_("weights {weights}", weights=weights.name)), files)


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Compare the weights on the host with the lock.

    Args:
        spec: The desired state of the host.
        target: The release.
        facts: The host.
    """
    unplaced = list_unplaced(target, facts.releases[target.key])
    return Plan(tuple(_place(target, weights) for weights in unplaced))


def _place(target: ReleaseTarget, weights: Weights) -> Action:
    return Action(
        (_("place weights {weights}", weights=weights.name),),
        lambda _: (build_upload(target, weights), build_stamp_job(target, weights)),
    )


STAGE = ReleaseStage("weights", decide, "WEIGHTS")


@operation()
def placed(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Place every file of the weights on the host.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
