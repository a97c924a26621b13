"""The stages in order, and which of them a host still needs."""

from __future__ import annotations

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
from operations.stage import Options
from operations.state import HostState

STAGES = tuple(
    module.STAGE
    for module in (
        preflight, driver, engine, image, sources, weights,
        container, migration, patch, packages, smoke,
    )
)  # fmt: skip


def stages(wanted: Wanted, state: HostState | Failure, options: Options) -> list[str]:
    """Names of the stages that have something to do or to refuse; all when nothing was seen."""
    if isinstance(state, Failure):
        return [stage.name for stage in STAGES]
    found = []
    for stage in STAGES:
        decision = stage.decide(wanted, state, options)
        if decision:
            found.append(stage.name)
        if isinstance(decision, Failure):
            break
    return found
