"""What a run found otherwise than its release says, or than the run before it."""

from __future__ import annotations

from dataclasses import dataclass

from mlufleet.report.model import STAGES, HostReport, Report, stage_name


@dataclass(frozen=True)
class HostChange:
    host: str
    what: str
    before: str
    now: str


@dataclass(frozen=True)
class RunDiff:
    run: str
    new: list[str]
    gone: list[str]
    changes: list[HostChange]


def compare_runs(report: Report, previous: Report) -> RunDiff:
    """The differences, by host; hosts that only one of the runs had are no changes."""
    both = [name for name in report.hosts if name in previous.hosts]
    return RunDiff(
        previous.run,
        new=[name for name in report.hosts if name not in previous.hosts],
        gone=[name for name in previous.hosts if name not in report.hosts],
        changes=[
            change
            for name in both
            for change in _host_changes(name, previous.hosts[name], report.hosts[name])
        ],
    )


def _host_changes(name: str, before: HostReport, now: HostReport) -> list[HostChange]:
    old, new = _compared_values(before), _compared_values(now)
    if not (before.versions and now.versions):  # a host that was not seen has no other versions
        old = {what: value for what, value in old.items() if not what.startswith("version ")}
        new = {what: value for what, value in new.items() if not what.startswith("version ")}
    return [
        HostChange(name, what.removeprefix("version "), old.get(what, ""), new.get(what, ""))
        for what in dict.fromkeys((*old, *new))
        if old.get(what, "") != new.get(what, "")
    ]


def _compared_values(host: HostReport) -> dict[str, str]:
    return {
        "status": host.status,
        **{f"version {key}": value for key, value in host.versions.items()},
        **{f"drift of {stage}": "; ".join(words) for stage, words in host.drift.items()},
    }


def hosts_by_drift(report: Report) -> list[tuple[str, tuple[str, ...], list[str]]]:
    """Stage, what was to do and the hosts, in the order of the stages, most hosts first."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, host in report.hosts.items():
        for stage, words in host.drift.items():
            found.setdefault((stage, tuple(words)), []).append(name)
    ranks = {stage: rank for rank, stage in enumerate(STAGES)}
    order = sorted(
        found, key=lambda key: (ranks.get(stage_name(key[0]), len(ranks)), -len(found[key]))
    )
    return [(*key, found[key]) for key in order]
