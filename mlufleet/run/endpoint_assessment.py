"""What a probe of a host found of the endpoints of its releases, as journal and report keep it."""

from __future__ import annotations

from dataclasses import replace

from fleet.language import N_, _
from fleet.release import endpoints
from fleet.release.endpoints import Endpoint
from fleet.release.target import HostTarget, ReleaseTarget
from mlufleet.journal.endpoint_record import EndpointRecord
from operations.host.facts import EndpointFacts, HostFacts, ReleaseFacts

#: state of an endpoint of which nothing is known
ABSENT = N_("absent")
#: what is said of an endpoint that its supervisor calls ready while nothing listens
SILENT_CODE, SILENT_REASON = "SERVE_SILENT", N_("nothing listens on its port")


def observe_endpoints(target: HostTarget, facts: HostFacts) -> list[EndpointRecord]:
    """Return the endpoints that a host is to have, each with what the probe found of it.

    Args:
        target: What the host is to be.
        facts: What the probe found.
    """
    card_count = len(facts.present_cards)
    return [
        _observe_endpoint(
            release, endpoint, facts.releases.get(release.key, ReleaseFacts()), card_count
        )
        for release in target.releases
        for endpoint in endpoints.list_endpoints(release, card_count)
    ]


def _observe_endpoint(
    release: ReleaseTarget,
    endpoint: Endpoint,
    found: ReleaseFacts,
    card_count: int,
) -> EndpointRecord:
    numbers = release.card_numbers(card_count)
    figures = endpoints.parse_figures(
        found.stamps.get(endpoints.FIGURES_STAMP.format(endpoint.name), "")
    )
    record = EndpointRecord(
        release=release.release.name,
        name=endpoint.name,
        address=endpoints.format_url(release.address, endpoint.port),
        model=endpoints.get_model_name(release),
        metrics=endpoints.get_metrics_path(release),
        cards=[numbers[card] for card in endpoint.cards if card < len(numbers)],
        state=ABSENT,
        cold_first_token_s=figures.cold_first_token_s,
        first_token_s=figures.first_token_s,
        tokens_per_s=figures.tokens_per_s,
    )
    observed = found.endpoints.get(endpoint.name)
    return _add_state(record, observed) if observed else record


def _add_state(record: EndpointRecord, observed: EndpointFacts) -> EndpointRecord:
    is_silent = observed.state == "ready" and not observed.listens
    return replace(
        record,
        state="unhealthy" if is_silent else observed.state,
        code=SILENT_CODE if is_silent else observed.code,
        reason=_(SILENT_REASON) if is_silent else observed.reason,
        restarts=observed.restarts,
        ready_s=observed.ready_s if observed.ready_s >= 0 else None,
        answered=float(observed.answered) if observed.answered else None,
    )
