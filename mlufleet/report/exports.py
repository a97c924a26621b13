"""A report for other machines: metrics for Prometheus, and facts, one row a card, for a CMDB.

The metrics are for the node exporter's textfile collector: write them beside, then rename.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlufleet.report.last_seen import format_utc
from mlufleet.report.model import STATUSES, HostReport, Report, parse_report

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
INFO_LABELS = ("driver", "release", "os", "kernel")
#: metric -> (what it is in a few words); every one is a gauge
METRIC_HELP = {
    "mlufleet_host_status": "1 for the status a host was left with, 0 for every other.",
    "mlufleet_host_cards": "Cards of a host, working or not.",
    "mlufleet_cards_healthy": "Cards of a host whose core runs.",
    "mlufleet_driver_info": "What a host runs; always 1.",
    "mlufleet_host_seen_timestamp_seconds": "When a host was last seen as cards and driver say.",
    "mlufleet_host_seen_old": "1 where something was done to a host since, or it was lost.",
    "mlufleet_host_seconds": "How long the run worked on a host.",
    "mlufleet_host_drift": "Stages of a host that were not as wanted when the run began.",
    "mlufleet_host_failure_info": "Why a host failed; always 1.",
    "mlufleet_run_timestamp_seconds": "When the run ended, or began if it has not ended.",
    "mlufleet_run_exit_status": "Exit status of the run.",
}
#: what a formula begins with in a spreadsheet; full-width ones are as good where Chinese is written
FORMULA_PREFIXES = tuple("=+-@\t\r＝＋－＠")
Sample = tuple[dict[str, str], float]


def render_prometheus(report: Mapping[str, Any]) -> str:
    """The text exposition format, metrics in one block each, hosts by name."""
    run = parse_report(report)
    lines: list[str] = []
    for metric, samples in _metrics(run).items():
        if samples:
            lines += [f"# HELP {metric} {METRIC_HELP[metric]}", f"# TYPE {metric} gauge"]
            lines += [f"{metric}{_format_labels(labels)} {value!r}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _metrics(run: Report) -> dict[str, list[Sample]]:
    metrics: dict[str, list[Sample]] = {metric: [] for metric in METRIC_HELP}
    for name, host in run.hosts.items():
        for metric, labels, value in _host_samples(host):
            metrics[metric].append(({"host": name, **labels}, value))
    when = run.ended if run.ended is not None else run.started
    whole: dict[str, float | None] = {"timestamp_seconds": when, "exit_status": run.exit}
    for metric, number in whole.items():
        if number is not None:
            metrics[f"mlufleet_run_{metric}"].append(({}, number))
    return metrics


def _host_samples(host: HostReport) -> Iterator[tuple[str, dict[str, str], float]]:
    for status in dict.fromkeys((*STATUSES, host.status)):
        yield "mlufleet_host_status", {"status": status}, int(host.status == status)
    if host.versions or host.cards:  # a host that was not seen has not zero cards
        yield "mlufleet_host_cards", {}, host.count
        yield "mlufleet_driver_info", {key: host.versions.get(key, "") for key in INFO_LABELS}, 1
    if host.seen is not None:
        yield "mlufleet_host_seen_timestamp_seconds", {}, host.seen
        yield "mlufleet_host_seen_old", {}, int(host.old)
    if host.cards:
        yield "mlufleet_cards_healthy", {}, len(host.cards) - len(host.unhealthy)
    yield "mlufleet_host_seconds", {}, host.seconds
    yield "mlufleet_host_drift", {}, len(host.drift)
    if host.failure:
        labels = {"code": host.failure.code, "stage": host.failure.stage}
        yield "mlufleet_host_failure_info", labels, 1


def _format_labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escape_label(value)}"' for key, value in labels.items()) + "}"


def _escape_label(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def card_rows(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row a card; a host whose cards nobody saw has one row without a card."""
    rows: list[dict[str, str]] = []
    for name, host in parse_report(report).hosts.items():
        for address in sorted({*host.cards, *host.serials}) or [""]:
            card = {
                "host": name,
                "address": address,
                "model": host.models.get(address, ""),
                "serial": host.serials.get(address, ""),
                "state": host.cards.get(address, ""),
            }
            of_host = {key: host.versions.get(key, "") for key in INFO_LABELS}
            of_host["seen"] = format_utc(host.seen) if host.seen is not None else ""
            of_host["old"] = "yes" if host.old else ""
            if host.owners:
                of_host["release"] = host.owners.get(address, "")
            rows.append({**card, **of_host})
    return rows


def render_cards_json(report: Mapping[str, Any]) -> str:
    return json.dumps(card_rows(report), indent=1, ensure_ascii=False) + "\n"


def render_cards_csv(report: Mapping[str, Any]) -> str:
    """As RFC 4180, with a head; a value that a spreadsheet would run as a formula is quoted."""
    stream = io.StringIO()
    table = csv.DictWriter(stream, COLUMNS)
    table.writeheader()
    for row in card_rows(report):
        table.writerow({key: _escape_formula(value) for key, value in row.items()})
    return stream.getvalue()


def _escape_formula(value: str) -> str:
    return f"'{value}" if value.lstrip(" ")[:1] in FORMULA_PREFIXES else value
