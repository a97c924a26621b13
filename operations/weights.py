"""Weights, verified by the lock's own checksums, once on the host's disk."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.release import host_paths
from fleet.release.model import Weights
from fleet.release.target import Wanted
from operations.host.facts import HostState
from operations.host.job import Step
from operations.stage import Body, Decision, Options, Stage
from operations.transfer.upload import Upload


def wrong(wanted: Wanted, state: HostState) -> list[Weights]:
    """Weights without a stamp for these bytes and this very tree (a changed file changes it)."""
    return [
        weights
        for weights in wanted.release.weights
        if state.stamps.get(f"weights-{weights.name}")
        != f"{host_paths.made_from(wanted, weights)} {state.trees.get(weights.target, '')}"
    ]


def stamped(wanted: Wanted, weights: Weights) -> Step:
    return Step(
        f"stamping weights {weights.name}",
        "stamp-tree",
        f"weights-{weights.name}",
        host_paths.made_from(wanted, weights),
        weights.target,
        code="WEIGHTS",
    )


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    return [f"place weights {weights.name}" for weights in wrong(wanted, state)]


def upload(wanted: Wanted, weights: Weights) -> Upload:
    files = [
        (wanted.store / weights.folder / name, f"{weights.target}/{name}", locked.sha256)
        for name, locked in wanted.lock.under(weights.folder).items()
    ]
    return Upload(wanted.titled(f"weights {weights.name}"), files)


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    for weights in wrong(wanted, state):
        yield upload(wanted, weights)
        yield stamped(wanted, weights)


STAGE = Stage("weights", decide, act, "WEIGHTS")


@operation()
def placed(wanted: Wanted, options: Options) -> Body:
    """Every file of the weights is on the host as it is in the lock."""
    yield from STAGE.carry(wanted, options)
