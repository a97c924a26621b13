"""The stages in order, and what a host still needs of them."""

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


#: where a host that could not be observed fails
PROBE = "probe"


def drift(
    wanted: Wanted, state: HostState | Failure, options: Options
) -> dict[str, Failure | list[str]]:
    """Stage -> what is to do, or why nothing can be done; up to the first such failure."""
    if isinstance(state, Failure):
        return {PROBE: state}
    found: dict[str, Failure | list[str]] = {}
    for stage in STAGES:
        decision = stage.decide(wanted, state, options)
        if decision:
            found[stage.name] = decision
        if isinstance(decision, Failure):
            break
    return found


def refusal(drift: dict[str, Failure | list[str]]) -> tuple[str, Failure] | None:
    """The first stage and its failure, when that is the first there is to do."""
    for stage, decision in drift.items():
        return (stage, decision) if isinstance(decision, Failure) else None
    return None
