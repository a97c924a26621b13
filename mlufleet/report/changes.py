"""How a run's hosts differ from their releases, and from the run before."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.language import _
from fleet.text import word_lists
from mlufleet.journal.endpoint_record import NOT_SEEN, EndpointRecord
from mlufleet.report.model import HostReport, Report, stage_rank

#: prefixes of values, of which only a probed host has the first ones
VERSION, ENDPOINT, DRIFT = "version ", "endpoint ", "drift "
PROBED = (VERSION, ENDPOINT)


@dataclass(frozen=True)
class HostChange:
    """A value of a host that differs between two runs.

    Attributes:
        host: Name of the host.
        value: What differs, e.g. "driver", "status", "endpoint chat/0" or "drift of image".
        before: The value in the earlier run; empty if it had none.
        now: The value in this run; empty if it has none.
        is_drift: Whether the values are what was to be done, in the language of each run.
    """

    host: str
    value: str
    before: str
    now: str
    is_drift: bool = False


@dataclass(frozen=True)
class RunDiff:
    """How a run differs from an earlier one.

    Attributes:
        run: Name of the earlier run.
        added: Hosts that only this run has.
        removed: Hosts that only the earlier run had.
        changes: Differences of the hosts that both have.
    """

    run: str
    added: list[str]
    removed: list[str]
    changes: list[HostChange]


def compare_runs(report: Report, previous: Report) -> RunDiff:
    """Return how a run differs from an earlier one, by host.

    Args:
        report: Report of the run.
        previous: Report of the earlier run.
    """
    hosts = [name for name, _host in report.sorted_hosts()]
    before = [name for name, _host in previous.sorted_hosts()]
    same_words = report.language == previous.language
    return RunDiff(
        previous.run,
        added=[name for name in hosts if name not in previous.hosts],
        removed=[name for name in before if name not in report.hosts],
        changes=[
            change
            for name in hosts
            if name in previous.hosts
            for change in _host_changes(name, previous.hosts[name], report.hosts[name])
            if same_words or not (change.is_drift and change.before and change.now)
        ],
    )


def _host_changes(name: str, before: HostReport, now: HostReport) -> list[HostChange]:
    old, new = _compared_values(before), _compared_values(now)
    if not (before.versions and now.versions):  # a host that was not probed has no versions
        old = {key: value for key, value in old.items() if not key.startswith(PROBED)}
        new = {key: value for key, value in new.items() if not key.startswith(PROBED)}
    return [
        HostChange(
            name, _name_value(key), old.get(key, ""), new.get(key, ""), key.startswith(DRIFT)
        )
        for key in dict.fromkeys((*old, *new))
        if old.get(key, "") != new.get(key, "")
    ]


def _compared_values(host: HostReport) -> dict[str, str]:
    return {
        "status": host.status,
        **{f"{VERSION}{key}": str(value) for key, value in host.versions.items()},
        # what was measured differs in each run
        **{f"{ENDPOINT}{one.label}": _describe_endpoint(one) for one in host.endpoints},
        **{
            f"{DRIFT}{stage}": word_lists.join_clauses(words) for stage, words in host.drift.items()
        },
    }


def _name_value(key: str) -> str:
    if key.startswith(DRIFT):
        return _("drift of {stage}", stage=key.removeprefix(DRIFT))
    if key.startswith(ENDPOINT):
        return _("endpoint {endpoint}", endpoint=key.removeprefix(ENDPOINT))
    return key.removeprefix(VERSION)


def _describe_endpoint(record: EndpointRecord) -> str:
    state = " ".join(filter(None, (_(record.state or NOT_SEEN), record.code)))
    return _("{state} at {address}", state=state, address=record.address)


def hosts_by_drift(report: Report) -> list[tuple[str, tuple[str, ...], list[str]]]:
    """Return stages, what was to be done in them, and the hosts with this drift.

    Args:
        report: Report of the run.

    Returns:
        In the order of the stages; within a stage the drift of the most hosts first.
    """
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, host in report.sorted_hosts():
        for stage, words in host.drift.items():
            found.setdefault((stage, tuple(words)), []).append(name)
    ordered = sorted(found, key=lambda key: (stage_rank(key[0], report.kind), -len(found[key])))
    return [(*key, found[key]) for key in ordered]
