"""Samples that the metrics of a run and those of the watch have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlufleet.journal.events import EndpointRecord
from mlufleet.report.metric_table import INFO_LABELS, Sample


def format_versions(versions: Mapping[str, str | int]) -> dict[str, str]:
    """Return the labels of `mlufleet_driver_info`.

    Args:
        versions: Versions of a host, as a probe found them.
    """
    return {key: str(versions.get(key, "")) for key in INFO_LABELS}


def label_endpoint(endpoint: EndpointRecord) -> dict[str, str]:
    """Return the labels of an endpoint, without its host.

    Args:
        endpoint: The endpoint.
    """
    return {"release": endpoint.release, "endpoint": endpoint.name, "model": endpoint.model}


def list_endpoint_samples(endpoint: EndpointRecord) -> Iterator[Sample]:
    """List what was measured of an endpoint; what is not known is left out.

    Args:
        endpoint: The endpoint.

    Yields:
        Samples without the label of the host.
    """
    shared = label_endpoint(endpoint)
    if endpoint.state:
        yield "mlufleet_endpoint_restarts", shared, endpoint.restarts
    if endpoint.answered is not None:
        yield "mlufleet_endpoint_answered_timestamp_seconds", shared, endpoint.answered
    if endpoint.ready_s is not None:
        yield "mlufleet_endpoint_ready_seconds", shared, endpoint.ready_s
    firsts = {"cold": endpoint.cold_first_token_s, "warm": endpoint.first_token_s}
    for start, seconds in firsts.items():
        if seconds is not None:
            labels = {**shared, "start": start}
            yield "mlufleet_endpoint_first_token_seconds", labels, seconds
    if endpoint.tokens_per_s is not None:
        yield "mlufleet_endpoint_tokens_per_second", shared, endpoint.tokens_per_s
