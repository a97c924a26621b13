"""What a look at a host saw, as the report keeps it: of the last look, whichever that was."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fleet.errors import Failure
from fleet.release import card_assignment
from fleet.release.target import Wanted
from operations import smoke_test, stages, validation
from operations.host.facts import HostState
from operations.stage import Options

#: in the place of a release that the look did not prove
UNPROVED = "unproved"


def of(wanted: Wanted, state: HostState, options: Options) -> dict[str, Any]:
    """All of a look that the report tells; `seen` is its time.

    :param state: the host as it was asked about `wanted`; it knows of the releases beside
    """
    parts = wanted.parts
    # asked once on demand, what a look finds is what is there
    drift = stages.drift(wanted, state, replace(options, smoke="auto"))
    broken = any(isinstance(decision, Failure) for decision in drift.values())
    said = {
        part.slot: UNPROVED
        if broken or not _proved(part, wanted, state, drift)
        else part.release.name
        for part in parts
    }
    owners = {
        state.present[n].address: part
        for part in parts
        for n in part.cards or ()
        if n < len(state.present)
    }
    return {
        "seen": round(state.seen, 3),
        "wanted": card_assignment.names(parts),
        "versions": {
            "release": ", ".join(dict.fromkeys(said.values())),
            "os": state.system,
            "kernel": state.kernel,
            "driver": state.loaded,
            "engine": state.engine,
            "cards": len(state.present),
        },
        "owners": {address: said[part.slot] for address, part in owners.items()},
        "lock": asdict(state.lock) if state.lock else None,
        "validation": validation.found(state, options),
        "cards": state.health,
        "serials": state.serials,
        "models": {card.address: model for card in state.present if (model := state.model(card))},
    }


def _proved(part: Wanted, wanted: Wanted, state: HostState, drift: dict[str, Any]) -> bool:
    """Whether the model has answered as everything is, and nothing of it is to do."""
    seen = state if part.slot == wanted.slot else state.beside.get(part.slot)
    due = {stage.label(part) for stage in stages.STAGES if stage is not validation.STAGE}
    return seen is not None and smoke_test.proved(part, seen) and due.isdisjoint(drift)
