"""The endpoints that a dry run saw: as a table, JSON, nginx upstreams and targets of Prometheus."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from fleet.errors import ExitStatus
from fleet.language import N_, _, english
from fleet.release.target import ANY_ADDRESS
from fleet.text import sanitize
from fleet.text.times import format_utc
from mlufleet.cli import health
from mlufleet.journal.events import EndpointRecord, QuarantineRecord
from mlufleet.report import host_ranges
from mlufleet.report.compact_table import (
    CompactColumn,
    CompactRow,
    print_compact,
    print_hint_of_columns,
)
from mlufleet.report.console import make_console, print_line, print_text
from mlufleet.report.model import Report
from mlufleet.report.wide_output import is_output_wide

COLUMNS = (
    CompactColumn(N_("endpoint")),
    CompactColumn(N_("state")),
    CompactColumn(N_("address")),
    CompactColumn(N_("model"), 1),
    CompactColumn(N_("cards"), 2),
    CompactColumn(N_("restarts"), 4, is_numeric=True),
    CompactColumn(N_("tokens/s"), 3, is_numeric=True),
    CompactColumn(N_("ready, cold, warm"), 5),
    CompactColumn(N_("seen"), 6),
)
#: what is not known
UNKNOWN = "-"


@dataclass(frozen=True)
class FoundEndpoint:
    """An endpoint of a host.

    Attributes:
        host: Name of the host.
        seen: When the host was probed, in seconds since the epoch.
        record: What was found; its address is one that clients can use.
        quarantine: That its host is in quarantine, or None.
    """

    host: str
    seen: float | None
    record: EndpointRecord
    quarantine: QuarantineRecord | None = None

    @property
    def label(self) -> str:
        """Host, release and number."""
        return f"{self.host} {self.record.label}"

    @property
    def is_ready(self) -> bool:
        """Whether it was ready when it was seen, and its host is in service."""
        return self.record.is_ready and self.quarantine is None

    @property
    def withheld(self) -> str:
        """Why clients are not to use it although it may be ready; or empty."""
        mark = self.quarantine
        return (
            _(
                "in quarantine since {since} by {by}: {reason}",
                since=mark.since,
                by=mark.by,
                reason=mark.reason,
            )
            if mark
            else ""
        )

    @property
    def authority(self) -> str:
        """Host and port of its address."""
        return urlsplit(self.record.address).netloc

    @property
    def is_local(self) -> bool:
        """Whether only its host reaches its address."""
        name = urlsplit(self.record.address).hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"


def find_host_addresses(report: Report, inventory: str) -> dict[str, str]:
    """Return by which address the controller reaches hosts that listen on all their addresses.

    Args:
        report: The report of a dry run.
        inventory: The inventory's file; it is read only if there are such hosts.
    """
    names = {
        name
        for name, host in report.hosts.items()
        if any(urlsplit(one.address).hostname == ANY_ADDRESS for one in host.endpoints)
    }
    if not names:
        return {}
    from fleet.inventory import pyinfra_loader

    hosts = pyinfra_loader.load_inventory(inventory)
    return {
        host.name: str(host.data.get("ssh_hostname") or host.name)
        for host in hosts
        if host.name in names
    }


def list_found(report: Report, host_addresses: Mapping[str, str]) -> list[FoundEndpoint]:
    """Return the endpoints of hosts that were probed, sorted by host, in the order of releases.

    Args:
        report: The report of a dry run.
        host_addresses: As of :func:`find_host_addresses`.
    """
    return [
        FoundEndpoint(
            name, host.seen, _resolve(record, host_addresses.get(name, "")), host.quarantine
        )
        for name, host in report.sorted_hosts()
        for record in host.endpoints
    ]


def _resolve(record: EndpointRecord, host_address: str) -> EndpointRecord:
    parts = urlsplit(record.address)
    if parts.hostname != ANY_ADDRESS or not host_address:
        return record
    return replace(record, address=f"{parts.scheme}://{host_address}:{parts.port}")


def exit_status(found: Iterable[FoundEndpoint], report: Report) -> ExitStatus:
    """Return the exit status of `mlufleet endpoints`; hosts in quarantine do not count.

    Args:
        found: The endpoints.
        report: The report of a dry run.
    """
    counted = {name: host for name, host in report.hosts.items() if not host.quarantine}
    status = health.probe_exit_status(replace(report, hosts=counted))
    are_ready = all(one.is_ready for one in found if not one.quarantine)
    if status in (ExitStatus.OK, ExitStatus.UNREACHABLE) and not are_ready:
        return ExitStatus.FAILED
    return status


def describe_unseen(report: Report) -> list[str]:
    """Return a line for each host, or group of hosts, that could not be probed.

    Args:
        report: The report of a dry run.
    """
    lines = [
        (name, sanitize.escape_line(_("not seen: {why}", why=why))) for name, why in _unseen(report)
    ]
    return list(host_ranges.group_lines(lines, len(report.hosts), len(report.hosts)))


def _unseen(report: Report) -> Iterator[tuple[str, str]]:
    for name, host in report.sorted_hosts():
        if host.versions:
            continue
        failure = host.failure
        if not failure:
            yield name, _("not probed")
        else:
            yield name, _("{code}: {sentence}", code=failure.code, sentence=failure.sentence)


def render_json(found: Iterable[FoundEndpoint], report: Report) -> str:
    """Return what `mlufleet endpoints --json` prints.

    Args:
        found: The endpoints.
        report: The report of a dry run.
    """
    document: dict[str, Any] = {
        "endpoints": [
            {
                "host": one.host,
                "seen": one.seen,
                "ready": one.is_ready,
                "quarantine": asdict(one.quarantine) if one.quarantine else None,
                **asdict(one.record),
            }
            for one in found
        ],
        "not_seen": {name: english(why) for name, why in _unseen(report)},
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def render_nginx(found: Iterable[FoundEndpoint]) -> str:
    """Return an upstream block of nginx for each model, with the endpoints that clients can use.

    A model without such an endpoint has comments only: nginx refuses an empty block.

    Args:
        found: The endpoints.
    """
    lines: list[str] = []
    for name, members in _group_by_upstream(found).items():
        judged = [(one, _why_not_proxied(one)) for one in members]
        lines += [
            f"# {name}: left out "
            f"{sanitize.escape_line(f'{one.label}, {one.authority}: {english(why)}')}"
            for one, why in judged
            if why
        ]
        if usable := [one for one, why in judged if not why]:
            lines.append(f"upstream {name} {{")
            lines += [f"    server {one.authority};  # {one.label}" for one in usable]
            lines.append("}")
    return "".join(f"{line}\n" for line in lines)


def _group_by_upstream(found: Iterable[FoundEndpoint]) -> dict[str, list[FoundEndpoint]]:
    """Return names of upstreams -> endpoints of one model; no two models share a name."""
    names: dict[str, str] = {}
    groups: dict[str, list[FoundEndpoint]] = {}
    for one in found:
        model = one.record.model
        if model not in names:
            name = base = re.sub(r"[^A-Za-z0-9_.-]", "_", model) or "model"
            count = 1
            while name in groups:
                count += 1
                name = f"{base}_{count}"
            names[model] = name
        groups.setdefault(names[model], []).append(one)
    return dict(sorted(groups.items(), key=lambda item: host_ranges.natural_key(item[0])))


def _why_not_proxied(one: FoundEndpoint) -> str:
    local = _("only its host reaches this address") if one.is_local else ""
    return one.withheld or one.record.problem or local


def render_prometheus(found: Iterable[FoundEndpoint]) -> str:
    """Return targets for `file_sd_configs` of Prometheus: endpoints with metrics, ready or not.

    Args:
        found: The endpoints.
    """
    targets = [
        {
            "targets": [one.authority],
            "labels": {
                "__metrics_path__": one.record.metrics,
                "host": one.host,
                "release": one.record.release,
                "endpoint": one.record.name,
                "model": one.record.model,
            },
        }
        for one in found
        if not _why_not_scraped(one)
    ]
    return json.dumps(targets, indent=1, ensure_ascii=False) + "\n"


def list_unscraped(found: Iterable[FoundEndpoint]) -> list[str]:
    """Return a line for each endpoint that Prometheus is not told of, with the reason.

    Args:
        found: The endpoints.
    """
    return [
        sanitize.escape_line(_("{endpoint}: left out: {why}", endpoint=one.label, why=why))
        for one in found
        if (why := _why_not_scraped(one))
    ]


def _why_not_scraped(one: FoundEndpoint) -> str:
    if one.withheld:
        return one.withheld
    if not one.record.metrics:
        return _("its server is the release's own, which is not known to have metrics")
    return _("only its host reaches {authority}", authority=one.authority) if one.is_local else ""


def print_endpoints(found: list[FoundEndpoint], report: Report) -> None:
    """Print a line for each endpoint, those that are not ready first, and why they are not.

    Each has an address of its own, so that no two are alike.

    Args:
        found: The endpoints.
        report: The report of a dry run.
    """
    console, is_wide = make_console(), is_output_wide()
    if not found:
        nothing = _("no release of these hosts is served")
        print_line(console, _("no endpoint was seen") if any(_unseen(report)) else nothing)
        return
    found = sorted(found, key=lambda one: one.is_ready)
    is_whole = print_compact(
        console,
        COLUMNS,
        [_row(one) for one in found],
        lambda state: "green" if state == "ready" else "red",
        is_wide=is_wide,
    )
    for one in found:
        if one.withheld:
            print_text(console, f"{one.label}: {one.withheld}")
        if one.record.reason:
            print_text(console, f"{one.label}: {one.record.problem}", "red")
    if not is_whole:
        print_hint_of_columns(console)


def _row(one: FoundEndpoint) -> CompactRow:
    record, mark = one.record, _("in quarantine") if one.quarantine else ""
    seconds = (record.ready_s, record.cold_first_token_s, record.first_token_s)
    cells = (
        one.label,
        _describe_state(record, mark),
        record.address,
        record.model,
        host_ranges.format_ranges(map(str, record.cards)).strip("[]") or UNKNOWN,
        str(record.restarts),
        _format_figure(record.tokens_per_s),
        " ".join(map(_format_figure, seconds)) + " s" if any(seconds) else UNKNOWN,
        format_utc(one.seen) if one.seen is not None else UNKNOWN,
    )
    return [[cell] for cell in cells]


def _describe_state(record: EndpointRecord, mark: str) -> str:
    words = [*filter(None, (record.state and _(record.state), record.code, mark))]
    # a single word stays a message, which the table knows by its English text
    return words[0] if len(words) == 1 else " ".join(words) or UNKNOWN


def _format_figure(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"
