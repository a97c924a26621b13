"""The stages in order, and which of them a host still needs."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.failures import Failure
from fleet.wanted import Wanted
from operations import (
    container,
    driver,
    engine,
    image,
    migration,
    packages,
    patch,
    preflight,
    smoke,
    sources,
    weights,
)
from operations.stage import Decision, Options
from operations.state import HostState

STAGES = tuple(
    module.STAGE
    for module in (
        preflight, driver, engine, image, sources, weights,
        container, migration, patch, packages, smoke,
    )
)  # fmt: skip


def stages(wanted: Wanted, state: HostState | None, options: Options) -> list[str]:
    """Names of the stages that have something to do or to refuse; all when nothing was seen."""
    if state is None:
        return [stage.name for stage in STAGES]
    return [name for name, decision in decisions(wanted, state, options) if decision]


def refusal(wanted: Wanted, state: HostState, options: Options) -> tuple[str, Failure] | None:
    """The stage at which a host will be refused, and why; as far as can be seen now."""
    for name, decision in decisions(wanted, state, options):
        if isinstance(decision, Failure):
            return name, decision
    return None


def decisions(wanted: Wanted, state: HostState, options: Options) -> Iterator[tuple[str, Decision]]:
    for stage in STAGES:
        decision = stage.decide(wanted, state, options)
        yield stage.name, decision
        if isinstance(decision, Failure):
            return
