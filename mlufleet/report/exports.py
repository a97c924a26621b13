"""The report for other machines: metrics for Prometheus, and a row per card for a CMDB.

The metrics are for the textfile collector of the node exporter.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

from fleet.text.times import format_utc
from mlufleet.report.metric_table import Sample, render_exposition
from mlufleet.report.model import STATUSES, HostReport, Report
from mlufleet.report.samples import format_versions, label_endpoint, list_endpoint_samples

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
#: first characters of formulas in spreadsheets; East Asian ones accept the full-width forms too
FORMULA_PREFIXES = tuple("=+-@\t\r＝＋－＠")


def render_prometheus(report: Report) -> str:
    """Return the metrics in the text exposition format, hosts sorted by name.

    Args:
        report: Report of the run.
    """
    return render_exposition(_list_samples(report)).decode()


def _list_samples(report: Report) -> Iterator[Sample]:
    for name, host in report.sorted_hosts():
        for metric, labels, value in _host_samples(host):
            yield metric, {"host": name, **labels}, value
    for release, points in sorted(report.unproved.items()):
        yield "mlufleet_release_unproved_points", {"release": release}, len(points)
    time = report.ended if report.ended is not None else report.started
    if time is not None:
        yield "mlufleet_run_timestamp_seconds", {}, time
    if report.exit is not None:
        yield "mlufleet_run_exit_status", {}, report.exit


def _host_samples(host: HostReport) -> Iterator[Sample]:
    for status in dict.fromkeys((*STATUSES, host.status)):
        yield "mlufleet_host_status", {"status": status}, int(host.status == status)
    if host.versions or host.cards:  # a host that was not probed does not have zero cards
        yield "mlufleet_host_cards", {}, host.card_count
        yield "mlufleet_driver_info", format_versions(host.versions), 1
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
        if endpoint.state:
            labels = label_endpoint(endpoint)
            yield "mlufleet_endpoint_ready", labels, int(endpoint.is_ready)
        yield from list_endpoint_samples(endpoint)
    if host.failure:
        labels = {"code": host.failure.code, "stage": host.failure.stage}
        yield "mlufleet_host_failure_info", labels, 1


def card_rows(report: Report) -> list[dict[str, str]]:
    """Return a row per card; a host whose cards are unknown has one row without a card.

    Args:
        report: Report of the run.

    Returns:
        Rows with the keys :data:`COLUMNS`.
    """
    rows: list[dict[str, str]] = []
    for name, host in report.sorted_hosts():
        shared = format_versions(host.versions)
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
