"""The report for other machines: metrics for Prometheus, and a row per card for a CMDB.

The metrics are for the textfile collector of the node exporter.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

from fleet.text.times import format_utc
from mlufleet.journal.events import EndpointRecord
from mlufleet.report.model import STATUSES, HostReport, Report

#: columns of cards.csv, and keys of cards.json
COLUMNS = (
    "host",
    "address",
    "model",
    "serial",
    "state",
    "driver",
    "release",
    "os",
    "kernel",
    "seen",
    "old",
)
#: columns of left.csv
LEFT_COLUMNS = ("host", "what", "why", "remedy")
#: labels of mlufleet_driver_info, and columns that all cards of a host share
INFO_LABELS = ("driver", "release", "os", "kernel")
#: metric -> its help text; every metric is a gauge
METRIC_HELP = {
    "mlufleet_host_status": "1 for the status of the host at the end of the run, else 0.",
    "mlufleet_host_cards": "Cards of a host, healthy or not.",
    "mlufleet_cards_healthy": "Cards of a host whose core runs.",
    "mlufleet_driver_info": "Versions on a host; always 1.",
    "mlufleet_host_seen_timestamp_seconds": "Time of the last probe of a host.",
    "mlufleet_host_seen_old": "1 if a host was changed or lost since its last probe.",
    "mlufleet_host_seconds": "How long the run worked on a host.",
    "mlufleet_host_drift": "Stages of a host that differed from its release when the run began.",
    "mlufleet_host_left": "Things that stay on a host that is retired.",
    "mlufleet_host_failure_info": "Why a host failed; always 1.",
    "mlufleet_endpoint_ready": "1 if an endpoint was ready at the last probe of its host, else 0.",
    "mlufleet_endpoint_restarts": "How often an endpoint was started again on its own.",
    "mlufleet_endpoint_ready_seconds": "Seconds from the start of an endpoint until it was ready.",
    "mlufleet_endpoint_first_token_seconds": "Seconds to the first token of a proof, cold or warm.",
    "mlufleet_endpoint_tokens_per_second": "Tokens a second of an endpoint's last proof.",
    "mlufleet_release_unproved_points": "Points of a release that its lock does not prove.",
    "mlufleet_run_timestamp_seconds": "When the run ended, or began if it has not ended.",
    "mlufleet_run_exit_status": "Exit status of the run.",
}
#: first characters of formulas in spreadsheets; East Asian ones accept the full-width forms too
FORMULA_PREFIXES = tuple("=+-@\t\r＝＋－＠")
#: labels and value
Sample = tuple[dict[str, str], float]


def render_prometheus(report: Report) -> str:
    """Return the metrics in the text exposition format, hosts sorted by name.

    Args:
        report: Report of the run.
    """
    lines: list[str] = []
    for metric, samples in _metrics(report).items():
        if samples:
            lines += [f"# HELP {metric} {METRIC_HELP[metric]}", f"# TYPE {metric} gauge"]
            lines += [f"{metric}{_format_labels(labels)} {value!r}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _metrics(report: Report) -> dict[str, list[Sample]]:
    metrics: dict[str, list[Sample]] = {metric: [] for metric in METRIC_HELP}
    for name, host in report.sorted_hosts():
        for metric, labels, value in _host_samples(host):
            metrics[metric].append(({"host": name, **labels}, value))
    for release, points in sorted(report.unproved.items()):
        labels = {"release": release}
        metrics["mlufleet_release_unproved_points"].append((labels, len(points)))
    time = report.ended if report.ended is not None else report.started
    if time is not None:
        metrics["mlufleet_run_timestamp_seconds"].append(({}, time))
    if report.exit is not None:
        metrics["mlufleet_run_exit_status"].append(({}, report.exit))
    return metrics


def _host_samples(host: HostReport) -> Iterator[tuple[str, dict[str, str], float]]:
    for status in dict.fromkeys((*STATUSES, host.status)):
        yield "mlufleet_host_status", {"status": status}, int(host.status == status)
    if host.versions or host.cards:  # a host that was not probed does not have zero cards
        yield "mlufleet_host_cards", {}, host.card_count
        yield "mlufleet_driver_info", _versions(host), 1
    if host.seen is not None:
        yield "mlufleet_host_seen_timestamp_seconds", {}, host.seen
        yield "mlufleet_host_seen_old", {}, int(host.old)
    if host.cards:
        yield "mlufleet_cards_healthy", {}, len(host.cards) - len(host.unhealthy_cards)
    yield "mlufleet_host_seconds", {}, host.duration_s
    yield "mlufleet_host_drift", {}, len(host.drift)
    if host.left:
        yield "mlufleet_host_left", {}, len(host.left)
    for endpoint in host.endpoints:
        yield from _endpoint_samples(endpoint)
    if host.failure:
        labels = {"code": host.failure.code, "stage": host.failure.stage}
        yield "mlufleet_host_failure_info", labels, 1


def _endpoint_samples(endpoint: EndpointRecord) -> Iterator[tuple[str, dict[str, str], float]]:
    shared = {"release": endpoint.release, "endpoint": endpoint.name, "model": endpoint.model}
    if endpoint.state:
        yield "mlufleet_endpoint_ready", shared, int(endpoint.is_ready)
        yield "mlufleet_endpoint_restarts", shared, endpoint.restarts
    if endpoint.ready_s is not None:
        yield "mlufleet_endpoint_ready_seconds", shared, endpoint.ready_s
    firsts = {"cold": endpoint.cold_first_token_s, "warm": endpoint.first_token_s}
    for start, seconds in firsts.items():
        if seconds is not None:
            labels = {**shared, "start": start}
            yield "mlufleet_endpoint_first_token_seconds", labels, seconds
    if endpoint.tokens_per_s is not None:
        yield "mlufleet_endpoint_tokens_per_second", shared, endpoint.tokens_per_s


def _versions(host: HostReport) -> dict[str, str]:
    return {key: str(host.versions.get(key, "")) for key in INFO_LABELS}


def _format_labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escape_label(value)}"' for key, value in labels.items()) + "}"


def _escape_label(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def card_rows(report: Report) -> list[dict[str, str]]:
    """Return a row per card; a host whose cards are unknown has one row without a card.

    Args:
        report: Report of the run.

    Returns:
        Rows with the keys :data:`COLUMNS`.
    """
    rows: list[dict[str, str]] = []
    for name, host in report.sorted_hosts():
        shared = _versions(host)
        shared["seen"] = format_utc(host.seen) if host.seen is not None else ""
        shared["old"] = "yes" if host.old else ""
        for address in sorted({*host.cards, *host.serials}) or [""]:
            card = {
                "host": name,
                "address": address,
                "model": host.models.get(address, ""),
                "serial": host.serials.get(address, ""),
                "state": host.cards.get(address, ""),
            }
            owner = {"release": host.owners.get(address, "")} if host.owners else {}
            rows.append({**card, **shared, **owner})
    return rows


def render_cards_json(report: Report) -> str:
    """Return the rows of all cards as JSON.

    Args:
        report: Report of the run.
    """
    return json.dumps(card_rows(report), indent=1, ensure_ascii=False) + "\n"


def render_cards_csv(report: Report) -> str:
    """Return the rows of all cards as CSV (RFC 4180) with a header.

    Values that a spreadsheet would run as a formula are quoted.

    Args:
        report: Report of the run.
    """
    return _render_csv(COLUMNS, card_rows(report))


def render_left_csv(report: Report) -> str:
    """Return what stays on retired hosts as CSV (RFC 4180) with a header, a row for each thing.

    Args:
        report: Report of the run.
    """
    hosts = report.sorted_hosts()
    rows = ({"host": name, **vars(item)} for name, host in hosts for item in host.left)
    return _render_csv(LEFT_COLUMNS, rows)


def _render_csv(columns: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    stream = io.StringIO()
    table = csv.DictWriter(stream, columns)
    table.writeheader()
    for row in rows:
        table.writerow({key: _escape_formula(value) for key, value in row.items()})
    return stream.getvalue()


def _escape_formula(value: str) -> str:
    return f"'{value}" if value.lstrip(" ")[:1] in FORMULA_PREFIXES else value
