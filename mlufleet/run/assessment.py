"""What a look at a host saw, as the report keeps it: of the last look, whichever that was."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fleet.errors import Failure
from fleet.release.target import HostTarget, ReleaseTarget
from operations import smoke_test, stages, validation
from operations.host.facts import HostFacts
from operations.stage import HostOptions

#: in the place of a release that the look did not prove
UNVERIFIED_RELEASE = "unproved"


def observation_fields(
    target: ReleaseTarget, state: HostFacts, options: HostOptions
) -> dict[str, Any]:
    """All of a look that the report tells; `seen` is its time.

    :param state: the host as it was asked about `wanted`; it knows of the releases beside
    """
    parts = target.releases
    # asked once on demand, what a look finds is what is there
    drift = stages.find_drift(target, state, replace(options, smoke="auto"))
    broken = any(isinstance(decision, Failure) for decision in drift.values())
    said = {
        part.key: UNVERIFIED_RELEASE
        if broken or not _is_verified(part, target, state, drift)
        else part.release.name
        for part in parts
    }
    owners = {
        state.present_cards[n].address: part
        for part in parts
        for n in part.cards or ()
        if n < len(state.present_cards)
    }
    return {
        "seen": round(state.observed_at, 3),
        "wanted": HostTarget(parts, target.store).label,
        "versions": {
            "release": ", ".join(dict.fromkeys(said.values())),
            "os": state.os_key,
            "kernel": state.kernel,
            "driver": state.loaded_driver,
            "engine": state.engine_version,
            "cards": len(state.present_cards),
        },
        "owners": {address: said[part.key] for address, part in owners.items()},
        "lock": asdict(state.lock) if state.lock else None,
        "validation": validation.known_verdicts(state, options),
        "cards": state.card_health,
        "serials": state.board_serials,
        "models": {
            card.address: model for card in state.present_cards if (model := state.card_model(card))
        },
    }


def _is_verified(
    part: ReleaseTarget, wanted: ReleaseTarget, state: HostFacts, drift: dict[str, Any]
) -> bool:
    """Whether the model has answered as everything is, and nothing of it is to do."""
    seen = state if part.key == wanted.key else state.beside.get(part.key)
    due = {stage.label(part) for stage in stages.STAGES if stage is not validation.STAGE}
    return seen is not None and smoke_test.has_passed(part, seen) and due.isdisjoint(drift)
