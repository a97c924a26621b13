"""What a probe of a host found, as the journal and the report keep it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fleet.errors import Failure
from fleet.release.target import HostTarget, ReleaseTarget
from mlufleet.run import endpoint_assessment
from operations import smoke_test, stages, validation
from operations.host.facts import HostFacts
from operations.stage import HostOptions, HostSpec

#: in place of a release that the probe did not verify
UNVERIFIED_RELEASE = "unproved"


def observation_fields(
    target: HostTarget, facts: HostFacts, options: HostOptions
) -> dict[str, Any]:
    """Return the fields of :class:`mlufleet.journal.events.FactsObserved`.

    Args:
        target: What the host is to be.
        facts: What the probe found.
        options: Options of the host.
    """
    # a smoke test that is forced once says nothing about what the probe found
    drift = stages.find_drift(HostSpec(target, replace(options, smoke="auto")), facts)
    has_failed = any(isinstance(decision, Failure) for decision in drift.values())
    verified = {
        release.key: release.release.name
        if not has_failed and _is_verified(release, facts, drift)
        else UNVERIFIED_RELEASE
        for release in target.releases
    }
    cards = facts.present_cards
    return {
        "seen": round(facts.observed_at, 3),
        "wanted": target.label,
        "versions": {
            "release": ", ".join(dict.fromkeys(verified.values())),
            "os": facts.os_key,
            "kernel": facts.kernel,
            "driver": facts.loaded_driver,
            "engine": facts.engine_version,
            "cards": len(cards),
        },
        "owners": _find_owners(target, facts, verified),
        "lock": asdict(facts.lock) if facts.lock else None,
        "validation": validation.known_verdicts(HostSpec(target, options), facts),
        "cards": facts.card_health,
        "serials": facts.board_serials,
        "models": {card.address: model for card in cards if (model := facts.card_model(card))},
        "endpoints": [*map(asdict, endpoint_assessment.observe_endpoints(target, facts))],
    }


def _find_owners(target: HostTarget, facts: HostFacts, verified: dict[str, str]) -> dict[str, str]:
    """Return which release each card belongs to, by the card's address."""
    cards = facts.present_cards
    return {
        cards[number].address: verified[release.key]
        for release in target.releases
        for number in release.cards or ()
        if number < len(cards)
    }


def _is_verified(release: ReleaseTarget, facts: HostFacts, drift: stages.Drift) -> bool:
    """Return whether the model has answered with everything as it is, and nothing is to be done."""
    labels = stages.list_release_labels(release)
    return smoke_test.has_passed(release, facts) and labels.isdisjoint(drift)
