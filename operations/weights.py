"""Weights, verified by the lock's own checksums, once on the host's disk."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.release import host_paths
from fleet.release.model import Weights
from fleet.release.target import ReleaseTarget
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.stage import Decision, HostOptions, OperationCommands, Stage
from operations.transfer.upload import Upload


def list_unplaced(target: ReleaseTarget, facts: HostFacts) -> list[Weights]:
    """Weights without a stamp for these bytes and this very tree (a changed file changes it)."""
    return [
        weights
        for weights in target.release.weights
        if facts.stamps.get(f"weights-{weights.name}")
        != f"{host_paths.weights_digest(target, weights)} {facts.trees.get(weights.target, '')}"
    ]


def build_stamp_job(target: ReleaseTarget, weights: Weights) -> RemoteJob:
    return RemoteJob(
        f"stamping weights {weights.name}",
        "stamp-tree",
        f"weights-{weights.name}",
        host_paths.weights_digest(target, weights),
        weights.target,
        code="WEIGHTS",
    )


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    return [f"place weights {weights.name}" for weights in list_unplaced(target, facts)]


def build_upload(target: ReleaseTarget, weights: Weights) -> Upload:
    files = [
        (target.store / weights.folder / name, f"{weights.target}/{name}", locked.sha256)
        for name, locked in target.lock.files_in(weights.folder).items()
    ]
    return Upload(target.qualify(f"weights {weights.name}"), files)


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    for weights in list_unplaced(target, facts):
        yield build_upload(target, weights)
        yield build_stamp_job(target, weights)


STAGE = Stage("weights", decide, act, "WEIGHTS")


@operation()
def placed(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """Every file of the weights is on the host as it is in the lock."""
    yield from STAGE.converge(target, options)
