"""The report of a run: what ``report.json`` holds, and what every output is rendered from.

A report is derived from a journal (:mod:`mlufleet.report.derive`), or read from the
``report.json`` of an earlier run, whichever version of the project wrote it. Its JSON schema is
docs/report.schema.json, which ``make docs`` writes from these classes.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from fleet.errors import ExitStatus
from fleet.language import N_, _
from fleet.text import sanitize, word_lists
from fleet.text.times import format_utc
from fleet.vendor.cnmon import CARD_RUNNING
from mlufleet.journal.events import (
    EndpointRecord,
    FailureRecord,
    LeftRecord,
    LockRecord,
    QuarantineRecord,
    ValidationRecord,
)
from mlufleet.journal.journal import safe_file_name
from mlufleet.report.host_ranges import natural_key
from operations.stage_order import RETIREMENT_ORDER, STAGE_ORDER

if TYPE_CHECKING:
    from pydantic import TypeAdapter

#: version of the schema; it changes when a key gets another meaning or is removed
SCHEMA_VERSION = 2
#: statuses of hosts that are as they are to be
PASSED_STATUSES = (N_("retired"), N_("adopted"), N_("changed"), N_("ok"))
#: statuses of a host, the most urgent one first
STATUSES = (
    *(N_("failed"), N_("unreachable"), N_("rolled back"), N_("skipped"), N_("not started")),
    *PASSED_STATUSES,
)
#: kind of a run -> status of a host that was changed and is as it is to be, if it is not "changed"
CHANGED_STATUSES = {"adoption": "adopted", "retirement": "retired"}
#: reasons to stop a rollout that are an exit status of their own
STOPPED_BY_BUDGET = ("budget", "serving", "declined")

_CONFIG: dict[str, Any] = {"extra": "ignore", "coerce_numbers_to_str": True}


def covered_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Return how many seconds lie in at least one of several spans.

    Args:
        spans: Begin and end of each, in seconds.
    """
    total, reached = 0.0, -math.inf
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return total


def stage_name(label: str) -> str:
    """Return the name of a stage without the release that it was for.

    Args:
        label: For example "image of chatglm3-6b", which is the stage "image".
    """
    return label.partition(" of ")[0]


def stage_order(kind: str) -> tuple[str, ...]:
    """Return the names of all stages that a run can have, in their order.

    Args:
        kind: Kind of the run.
    """
    return RETIREMENT_ORDER if kind == "retirement" else STAGE_ORDER


def stage_rank(label: str, kind: str = "deploy") -> int:
    """Return the place of a stage among all stages; an unknown one comes last.

    Args:
        label: Name of the stage, with or without the release that it was for.
        kind: Kind of the run.
    """
    name, order = stage_name(label), stage_order(kind)
    return order.index(name) if name in order else len(order)


@dataclass
class StageReport:
    """A stage of a host that ended."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG

    began: float | None = None
    """When it began, in seconds since the epoch; null in reports of older versions."""
    stage: str = ""
    """Its name; on hosts with several releases followed by " of " and the release."""
    seconds: float = 0.0
    """How long it took."""
    changes: list[str] = field(default_factory=list)
    """What was done; empty if nothing was to be done."""


@dataclass
class ServingReport:
    """Endpoints that had to stay ready during a rollout, by the last count."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG

    ready: int = 0
    """How many of them are ready, without those of hosts at work."""
    needed: int = 0
    """How many have to stay ready."""
    of: int = 0
    """How many were ready when the rollout began."""
    seen: float | None = None
    """When they were counted, in seconds since the epoch."""
    waiting: str = ""
    """Host that has to wait, because too few would stay ready without it; or empty."""
    silent: list[str] = field(default_factory=list)
    """Hosts that could not be looked at, which count as not ready."""
    before: dict[str, int] = field(default_factory=dict)
    """Host -> endpoints that were ready when the rollout began."""
    sentence: str = ""
    """Why no more hosts started, if it was for these endpoints; or empty."""
    remedy: str = ""
    """What to do about it; or empty."""

    @property
    def waiting_line(self) -> str:
        """Which host waits and for what; empty if none does."""
        if not self.waiting:
            return ""
        line = _(
            "{host} waits for endpoints: {ready} of {total} are ready, and {needed} have to stay "
            "ready",
            host=self.waiting,
            ready=self.ready,
            total=self.of,
            needed=self.needed,
        )
        if not self.silent:
            return line
        return _(
            "{line}; no answer from {hosts}", line=line, hosts=word_lists.join_words(self.silent)
        )


@dataclass
class RolloutReport:
    """What only runs have that go through a fleet in windows: all kinds but "deploy"."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG

    plan: dict[str, Any] = field(default_factory=dict)
    """The options of the rollout."""
    resumes: str = ""
    """Run that this one resumed, or empty."""
    canaries: list[str] = field(default_factory=list)
    """Hosts that went first."""
    window: int = 0
    """Hosts at work at the same time, at most."""
    max_fail: int = 0
    """Hosts of the fleet that may be broken before no more hosts start."""
    stopped: str = ""
    """Why no more hosts started: "canary", "budget", "serving", "interrupted", "declined", or
    empty."""
    serving: ServingReport | None = None
    """Endpoints that had to stay ready, by the last count; null if none had to."""


@dataclass
class HostReport:
    """What became of one host, and what the last probe of it found."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG

    status: str
    """One of "failed", "unreachable", "rolled back", "skipped", "not started", "retired",
    "adopted", "changed" and "ok"."""
    stages: list[StageReport] = field(default_factory=list)
    """Stages that ended, in their order."""
    failure: FailureRecord | None = None
    """Why the host failed, or null."""
    versions: dict[str, str | int] = field(default_factory=dict)
    """From the last probe: "release" (what the probe verified, else "unproved"), "os", "kernel",
    "driver", "engine" and "cards" (a number). Empty if the host was not probed."""
    answer: str | None = None
    """Answer of the model in the smoke test, or null."""
    kept: list[str] = field(default_factory=list)
    """Files and folders that were moved aside."""
    notes: list[str] = field(default_factory=list)
    """What the operator should know although it fails no host, with the remedy."""
    drift: dict[str, list[str]] = field(default_factory=dict)
    """Stage -> what was to be done when the run began."""
    lock: LockRecord | None = None
    """Holder of the host's lock at the last probe, or null."""
    cards: dict[str, str] = field(default_factory=dict)
    """PCI address -> state of the core, or "dropped", "gone", "no driver"; of the last probe."""
    serials: dict[str, str] = field(default_factory=dict)
    """PCI address -> serial number of the board; of the last probe."""
    models: dict[str, str] = field(default_factory=dict)
    """PCI address -> model of the card, if its PCI subsystem ID is a known one."""
    owners: dict[str, str] = field(default_factory=dict)
    """PCI address -> release that has the card, on hosts with several releases."""
    validation: dict[str, ValidationRecord] = field(default_factory=dict)
    """Test of the vendor's validation suite -> result; only of the levels that were asked for."""
    groups: list[str] = field(default_factory=list)
    """Groups of the host in the inventory."""
    canary: bool = False
    """Whether the host was a canary of the rollout."""
    began: float | None = None
    """When the rollout began to work on the host, in seconds since the epoch, or null."""
    ended: float | None = None
    """When that ended, or null."""
    rolled_back: dict[str, str] | None = None
    """Null, or the releases "from" and "to"; "to" is empty if the rollback failed."""
    way_back: str = ""
    """Files of the releases that the host can be rolled back to, or empty."""
    now: str = ""
    """What the host was at when the journal ended; empty if it was at nothing."""
    sent: int = 0
    """Bytes of files that the host received by SSH."""
    swarmed: int = 0
    """Bytes of files that the host received from the swarm."""
    reused: int = 0
    """Bytes of files that lay elsewhere on the host and were not sent."""
    wanted: str = ""
    """Names of the releases that the host is to have."""
    seen: float | None = None
    """Time of the last probe, in seconds since the epoch; null if there was none."""
    old: bool = False
    """Whether something was done to the host since the last probe, or the connection was lost:
    what the probe found may no longer be true."""
    ahead: float = 0.0
    """Seconds in which files of later stages came while other stages worked."""
    left: list[LeftRecord] = field(default_factory=list)
    """What stays on a host that is retired, and why; empty in all other runs."""
    audit_log: str = ""
    """Copy of the audit log of a retired host, relative to the folder of the run; or empty."""
    endpoints: list[EndpointRecord] = field(default_factory=list)
    """Instances of the servers of its releases; empty if no release is served."""
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds of the parts of a first provisioning that no overlap makes shorter: "wire", "load",
    "weights" and "smoke"; empty if neither an image nor weights were brought."""
    quarantine: QuarantineRecord | None = None
    """That the host was in quarantine when the run began, or null."""

    @property
    def is_left_out(self) -> bool:
        """Whether the run left the host alone because it is in quarantine."""
        return self.quarantine is not None and not self.quarantine.included

    @property
    def has_passed(self) -> bool:
        """Whether the run did to the host what was asked for, which may be a rollback."""
        return self.status in PASSED_STATUSES or (self.status == "rolled back" and not self.failure)

    @property
    def duration_s(self) -> float:
        """How long the run worked on the host."""
        if self.began is not None and self.ended is not None:
            return max(0.0, self.ended - self.began)
        return self.work_s

    @property
    def work_s(self) -> float:
        """Seconds in which at least one of its stages was at work."""
        if any(stage.began is None for stage in self.stages):
            return math.fsum(stage.seconds for stage in self.stages)
        return covered_seconds(
            (stage.began or 0.0, (stage.began or 0.0) + stage.seconds) for stage in self.stages
        )

    @property
    def unhealthy_cards(self) -> dict[str, str]:
        """PCI address -> state of the cards whose core does not run."""
        return {card: state for card, state in self.cards.items() if state != CARD_RUNNING}

    @property
    def card_count(self) -> int:
        """Cards of the host: those with a state, or else the number that the probe counted."""
        counted = str(self.versions.get("cards", ""))
        return len(self.cards) or (int(counted) if counted.isdecimal() else 0)

    @property
    def stale_note(self) -> str:
        """When the host was last seen, if that may no longer be true; else empty."""
        if self.seen is None or not self.old:
            return ""
        return _(
            "last seen at {time}; the host was changed or lost since then, so its "
            "cards and versions may differ now",
            time=format_utc(self.seen),
        )


@dataclass
class CriticalPath:
    """What the host waited for that was done last."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG

    host: str = ""
    """Its name."""
    stages: list[tuple[str, float]] = field(default_factory=list)
    """Stages that followed each other, with their seconds; others ran beside them."""
    seconds: float = 0.0
    """From the begin of its first stage to the end of its last one."""
    floor: float | None = None
    """Seconds of the slowest of its parts, beside which all else could run; null if neither an
    image nor weights were brought."""
    floor_part: str = ""
    """Which part that is: "wire", "load", "weights" or "smoke"; or empty."""
    ratio: float | None = None
    """How many times the floor the host took; or null."""


@dataclass
class Report:
    """What became of the hosts of one run."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG

    schema: int = SCHEMA_VERSION
    """Version of this schema."""
    run: str = ""
    """Name of the run, and of its folder."""
    kind: str = "deploy"
    """One of "deploy", "rollout", "rollback", "adoption" and "retirement"."""
    started: float | None = None
    """When the run began, in seconds since the epoch."""
    ended: float | None = None
    """When it ended; null while it runs, and if it was killed."""
    dry: bool = False
    """Whether the hosts were only probed."""
    interrupted: bool = False
    """Whether the operator, or a full disk, stopped the run."""
    rollout: RolloutReport | None = None
    """What runs have that go through a fleet in windows: all kinds but "deploy"; else null."""
    hosts: dict[str, HostReport] = field(default_factory=dict)
    """Name -> host, for every host that the run had to account for."""
    seeded: int = 0
    """Bytes that swarms got from the controller."""
    exit: int | None = None
    """Exit status that the report stands for; null in reports of older versions."""
    unproved: dict[str, list[str]] = field(default_factory=dict)
    """Name of a release -> what was not proved when it was locked, each as "field: reason".
    Releases that were proved in every point are missing; reports of older versions have none."""
    critical_path: CriticalPath | None = None
    """What the host waited for that was done last; null if no stage ended on any host."""
    language: str = ""
    """Language of the sentences: "en" or "zh_CN"; empty in reports of older versions."""

    def to_json(self) -> str:
        """Return the text of ``report.json``."""
        return json.dumps(self, indent=1, ensure_ascii=False, default=vars) + "\n"

    def sorted_hosts(self) -> list[tuple[str, HostReport]]:
        """Return names and hosts, sorted so that mlu9 comes before mlu10."""
        return sorted(self.hosts.items(), key=lambda item: natural_key(item[0]))

    @property
    def counts(self) -> dict[str, int]:
        """Status -> number of hosts; the numbers add up to all hosts."""
        found = Counter(host.status for host in self.hosts.values())
        known = {status: found.pop(status) for status in STATUSES if status in found}
        return {**known, **dict(sorted(found.items()))}

    def exit_status(self) -> ExitStatus:
        """Return the exit status of ``mlufleet`` that the report stands for."""
        statuses = {host.status for host in self.hosts.values() if not host.is_left_out}
        stopped = self.rollout.stopped if self.rollout else ""
        if self.interrupted:
            return ExitStatus.INTERRUPTED
        is_back_unasked = "rolled back" in statuses and self.kind != "rollback"
        if is_back_unasked or stopped in STOPPED_BY_BUDGET:
            return ExitStatus.STOPPED
        if "failed" in statuses:
            return ExitStatus.FAILED
        if "unreachable" in statuses:
            return ExitStatus.UNREACHABLE
        if statuses & {"skipped", "not started"} and not self.dry:
            return ExitStatus.FAILED
        return ExitStatus.OK


def log_file_name(host: str) -> str:
    """Return the name of a host's log beside the report.

    Args:
        host: Name of the host.
    """
    return f"{safe_file_name(host)}.log"


def audit_file_name(host: str) -> str:
    """Return the name of the copy of a retired host's audit log, relative to the run's folder.

    Args:
        host: Name of the host.
    """
    return f"audit/{log_file_name(host)}"


def parse_report(data: Mapping[str, Any]) -> Report:
    """Return the report in a ``report.json`` of any version; its text is safe to print.

    What is missing, null or not a number has its default.

    Args:
        data: The decoded JSON object.

    Raises:
        ValueError: This is not a report.
    """
    return report_adapter().validate_python(_without_missing(sanitize.escape_data(data)))


@cache
def report_adapter() -> TypeAdapter[Report]:
    """Return pydantic's validator of a report, which also makes its JSON schema."""
    from pydantic import TypeAdapter  # slow to import, and only a reader needs it

    return TypeAdapter(Report)


def _without_missing(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_missing(inner) for name, inner in value.items() if _is_set(inner)}
    if isinstance(value, list):
        return [_without_missing(inner) for inner in value]
    return value


def _is_set(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
