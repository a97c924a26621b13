"""What a probe of a host found, as the journal and the report keep it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fleet.errors import Failure
from fleet.release.target import HostTarget, ReleaseTarget
from operations import smoke_test, stages, validation
from operations.host.facts import HostFacts
from operations.stage import HostOptions

#: in place of a release that the probe did not verify
UNVERIFIED_RELEASE = "unproved"


def observation_fields(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> dict[str, Any]:
    """Return the fields of :class:`mlufleet.journal.events.FactsObserved`.

    Args:
        target: What the host is to be.
        facts: What the probe found.
        options: Options of the host.
    """
    releases = target.releases
    # a smoke test that is forced once says nothing about what the probe found
    drift = stages.find_drift(target, facts, replace(options, smoke="auto"))
    has_failed = any(isinstance(decision, Failure) for decision in drift.values())
    verified = {
        release.key: release.release.name
        if not has_failed and _is_verified(release, target, facts, drift)
        else UNVERIFIED_RELEASE
        for release in releases
    }
    cards = facts.present_cards
    return {
        "seen": round(facts.observed_at, 3),
        "wanted": HostTarget(releases, target.store).label,
        "versions": {
            "release": ", ".join(dict.fromkeys(verified.values())),
            "os": facts.os_key,
            "kernel": facts.kernel,
            "driver": facts.loaded_driver,
            "engine": facts.engine_version,
            "cards": len(cards),
        },
        "owners": {
            cards[number].address: verified[release.key]
            for release in releases
            for number in release.cards or ()
            if number < len(cards)
        },
        "lock": asdict(facts.lock) if facts.lock else None,
        "validation": validation.known_verdicts(facts, options),
        "cards": facts.card_health,
        "serials": facts.board_serials,
        "models": {card.address: model for card in cards if (model := facts.card_model(card))},
    }


def _is_verified(
    release: ReleaseTarget, target: ReleaseTarget, facts: HostFacts, drift: dict[str, Any]
) -> bool:
    """Return whether the model answered on the host as it is, and nothing is left to do."""
    seen = facts if release.key == target.key else facts.beside.get(release.key)
    labels = {stage.label(release) for stage in stages.STAGES if stage is not validation.STAGE}
    return seen is not None and smoke_test.has_passed(release, seen) and labels.isdisjoint(drift)
