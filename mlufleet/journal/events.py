"""The events of a run's journal as types, one class per kind.

The fields of a class are the keys of its line in ``journal.jsonl``. Kinds and keys keep their
meaning between versions: a reader ignores kinds and keys that it does not know (a newer version
wrote them), and a key that an older version did not write has its default.

Events of single hosts are those of :mod:`operations.host.events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from fleet.text import sanitize
from mlufleet.journal.endpoint_record import EndpointRecord as EndpointRecord
from operations.host.events import EVENT_TYPES as EVENT_TYPES
from operations.host.events import BytesSeeded as BytesSeeded
from operations.host.events import ConnectionLost as ConnectionLost
from operations.host.events import EndpointProved as EndpointProved
from operations.host.events import Event as Event
from operations.host.events import FileBackedUp as FileBackedUp
from operations.host.events import HostFailed as HostFailed
from operations.host.events import HostFailure as HostFailure
from operations.host.events import HostUnreachable as HostUnreachable
from operations.host.events import LockChanged as LockChanged
from operations.host.events import ModelAnswered as ModelAnswered
from operations.host.events import NoteAdded as NoteAdded
from operations.host.events import StageDone as StageDone
from operations.host.events import StageStarted as StageStarted
from operations.host.events import StepStarted as StepStarted
from operations.host.events import TransferDone as TransferDone
from operations.host.events import TransfersProgressed as TransfersProgressed
from operations.host.events import ValidationDone as ValidationDone

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True)
class FailureRecord:
    """Why a host failed, and what to do about it."""

    stage: str = ""
    """Stage in which the host failed; empty if it was in none."""
    code: str = ""
    """Failure code; see ``mlufleet explain`` and docs/failures.md."""
    sentence: str = ""
    """What is wrong, in a sentence."""
    remedy: str = ""
    """What to do about it."""
    tail: list[str] = field(default_factory=list)
    """Last lines of the output of what failed."""
    action: str = ""
    """Suggested action, which is what the remedy of the code comes to: "IGNORE", "RESTART",
    "REBOOT", "POWER_CYCLE" or "INSPECT"; empty in reports of older versions."""


@dataclass(frozen=True)
class LockRecord:
    """The holder of a host's lock."""

    run: str = ""
    """Run that holds the lock."""
    operator: str = ""
    """Who started that run, and where."""
    since: str = ""
    """When it took the lock, by the host's clock."""
    why: str = ""
    """The command that was given."""
    lease: int = 0
    """Seconds without a heartbeat after which the lock may be taken over."""
    age: int = 0
    """Seconds since the last heartbeat, when the host was probed."""


@dataclass(frozen=True)
class LeftRecord:
    """Something that stays on a host that is retired."""

    what: str = ""
    """Path, image, container, package or setting on the host."""
    why: str = ""
    """Why it stays."""
    remedy: str = ""
    """An option or a command that would remove it; empty if there is none."""


@dataclass(frozen=True)
class QuarantineRecord:
    """That a host was in quarantine when the run began."""

    since: str = ""
    """Since when, in UTC."""
    by: str = ""
    """Who began it: user@machine, or "watch"."""
    reason: str = ""
    """Why."""
    code: str = ""
    """Failure code that the reason is about; may be empty."""
    included: bool = False
    """Whether the run works on the host in spite of it."""


@dataclass(frozen=True)
class ValidationRecord:
    """The result of one test of the vendor's validation suite."""

    verdict: str = ""
    """PASSED, FAILED or SKIPPED."""
    why: str = ""
    """Reason for the verdict; may be empty if the test passed."""
    rates: dict[str, float] = field(default_factory=dict)
    """Measured rate of the slowest card, by the name that the test prints."""
    where: str = ""
    """Where the suite ran: the host or a container, and the configuration file if it has one."""


# the run


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """The run began; always the first event."""

    kind: ClassVar[str] = "run"
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class HostsNamed(Event):
    """The hosts that the run has to account for."""

    kind: ClassVar[str] = "hosts"
    names: list[str]
    groups: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HostQuarantined(Event):
    """A host that the run was asked for is in quarantine.

    Attributes:
        since: Since when, in UTC.
        by: Who began it.
        reason: Why.
        code: Failure code that the reason is about; may be empty.
        included: The run works on the host in spite of it; otherwise it leaves it out.
    """

    kind: ClassVar[str] = "quarantined"
    since: str
    by: str
    reason: str
    code: str = ""
    included: bool = False


@dataclass(frozen=True, kw_only=True)
class ReleaseUnproved(Event):
    """A release of the run was not proved in every point when it was locked.

    Attributes:
        release: Its name.
        points: What was not proved, each as "field: reason".
    """

    kind: ClassVar[str] = "unproved"
    release: str
    points: list[str]


@dataclass(frozen=True, kw_only=True)
class RunEnded(Event):
    """The run ended by itself.

    Attributes:
        dry: Nothing was to be changed on any host.
        interrupted: The operator, or a full disk, stopped the run.
        stopped: Why a rollout started no more hosts: "canary", "budget", "serving",
            "interrupted", "declined", or empty.
    """

    kind: ClassVar[str] = "end"
    dry: bool = False
    interrupted: bool = False
    stopped: str = ""


# what a probe found


@dataclass(frozen=True, kw_only=True)
class FactsObserved(Event):
    """What a later probe of a host found, if it differs from the probe before it.

    Attributes:
        seen: Time of the probe; None in journals that have only the time of the event.
        wanted: Names of the releases that the host is to have; None in older journals.
        versions: ``release`` (verified by the probe, else "unproved"), ``os``, ``kernel``,
            ``driver``, ``engine`` and ``cards`` (a number).
        owners: PCI address of a card -> release that has it, on hosts with several releases.
        lock: Holder of the host's lock, or None.
        validation: Test of the vendor's suite -> result, as far as it is known.
        cards: PCI address -> state of the core, or "dropped", "gone", "no driver".
        serials: PCI address -> serial number of the board.
        models: PCI address -> model, if the PCI subsystem ID is a known one.
        endpoints: Instances of the servers of its releases.
    """

    kind: ClassVar[str] = "facts"
    versions: dict[str, str | int]
    seen: float | None = None
    wanted: str | None = None
    owners: dict[str, str] = field(default_factory=dict)
    lock: LockRecord | None = None
    validation: dict[str, ValidationRecord] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    serials: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    endpoints: list[EndpointRecord] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class HostObserved(FactsObserved):
    """What a host was before anything was done to it, and what is to be done.

    Attributes:
        needs: Stages that have something to do.
        proofs: Stages whose end proves that the host is in its desired state.
        refusal: Why nothing can be done, or None.
        drift: Stage -> what it would do.
        answer: Answer of the model; only in older journals.
    """

    kind: ClassVar[str] = "observed"
    needs: list[str]
    proofs: list[str] = field(default_factory=lambda: ["smoke"])
    refusal: FailureRecord | None = None
    drift: dict[str, list[str]] = field(default_factory=dict)
    answer: str = ""


# the host lock and the connection


@dataclass(frozen=True, kw_only=True)
class LockReleased(Event):
    """A host's lock was released.

    Attributes:
        run: The run that held it.
    """

    kind: ClassVar[str] = "released"
    run: str


# rollouts


@dataclass(frozen=True, kw_only=True)
class RolloutStarted(Event):
    """The operator started a rollout or a rollback.

    Attributes:
        plan: The options, as :class:`mlufleet.rollout.plan.Plan` has them.
        resumes: Run that this one resumes, or empty.
    """

    kind: ClassVar[str] = "rollout"
    plan: dict[str, Any]
    resumes: str = ""


@dataclass(frozen=True, kw_only=True)
class ProbingStarted(Event):
    """All hosts are probed now.

    Attributes:
        hosts: How many they are.
    """

    kind: ClassVar[str] = "survey"
    hosts: int = 0


@dataclass(frozen=True, kw_only=True)
class HostsScheduled(Event):
    """The probes are done and the order of the hosts is fixed.

    Attributes:
        order: Hosts that need work, in their order.
        canaries: The ones of them that go first.
        window: Hosts at work at the same time.
        max_fail: Hosts of the fleet that may be broken.
        broken: Hosts that are broken already.
        total: Hosts of the fleet.
    """

    kind: ClassVar[str] = "scheduled"
    order: list[str] = field(default_factory=list)
    canaries: list[str]
    window: int
    max_fail: int
    broken: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class ServingCounted(Event):
    """The endpoints were counted that have to stay ready while a host is taken.

    `host` is the host that is to be taken; it is empty for the count when the rollout began. Only
    endpoints count that were ready then, and none of hosts at work.

    Attributes:
        ready: How many are ready.
        needed: How many have to stay ready.
        of: How many were ready when the rollout began.
        seen: When the look at them ended.
        held: The host has to wait.
        silent: Hosts that could not be looked at, which count as not ready.
        before: Host -> endpoints that were ready when the rollout began; only in the first count.
    """

    kind: ClassVar[str] = "serving-counted"
    ready: int
    needed: int
    of: int
    seen: float = 0.0
    held: bool = False
    silent: list[str] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ServingStopped(Event):
    """So many endpoints cannot stay ready, and no more hosts start.

    Attributes:
        sentence: What was ready, and what is needed.
        remedy: What to do about it.
    """

    kind: ClassVar[str] = "serving-stopped"
    sentence: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class RolloutPaused(Event):
    """The canaries passed and the rollout waits.

    Attributes:
        seconds: For how long.
    """

    kind: ClassVar[str] = "pause"
    seconds: int = 0


@dataclass(frozen=True, kw_only=True)
class OperatorAsked(Event):
    """The rollout waits for the operator.

    Attributes:
        question: What it asks.
    """

    kind: ClassVar[str] = "asked"
    question: str = ""


@dataclass(frozen=True, kw_only=True)
class OperatorAnswered(Event):
    """The operator answered, or the rollout was interrupted instead.

    Attributes:
        approved: The answer was yes.
    """

    kind: ClassVar[str] = "answered"
    approved: bool = False


@dataclass(frozen=True, kw_only=True)
class StopRequested(Event):
    """The operator asked the rollout to stop.

    Attributes:
        now: Hosts at work stop as well.
    """

    kind: ClassVar[str] = "interrupted"
    now: bool = False


@dataclass(frozen=True, kw_only=True)
class HostStarted(Event):
    """A host of a rollout is worked on from now on.

    Attributes:
        canary: It is one of the canaries.
    """

    kind: ClassVar[str] = "begin"
    canary: bool


@dataclass(frozen=True, kw_only=True)
class HostDone(Event):
    """A host of a rollout is no longer worked on.

    Attributes:
        passed: It is in its desired state, which was verified.
    """

    kind: ClassVar[str] = "done"
    passed: bool = False


@dataclass(frozen=True, kw_only=True)
class RollbackTargetFound(Event):
    """It is known where a host can be rolled back to.

    Attributes:
        release: Files of the releases; empty if there are none.
        why: Why there are none, or empty.
    """

    kind: ClassVar[str] = "way-back"
    release: str
    why: str


@dataclass(frozen=True, kw_only=True)
class RollbackStarted(Event):
    """A host failed and is rolled back now.

    Attributes:
        release: Files of the releases that it had before.
    """

    kind: ClassVar[str] = "rolling-back"
    release: str = ""


@dataclass(frozen=True, kw_only=True)
class HostRolledBack(Event):
    """A host has its previous releases again, which was verified.

    Attributes:
        by_hand: The operator asked for it; otherwise the new release failed.
    """

    kind: ClassVar[str] = "rolled-back"
    by_hand: bool = False


@dataclass(frozen=True, kw_only=True)
class HostVerified(Event):
    """A probe over a fresh connection found nothing left to do."""

    kind: ClassVar[str] = "proved"


# retirements


@dataclass(frozen=True, kw_only=True)
class LeftOnHost(Event):
    """It is known what stays on a host that is retired; a later event replaces an earlier one.

    Attributes:
        items: What stays, and why.
    """

    kind: ClassVar[str] = "left"
    items: list[LeftRecord]


@dataclass(frozen=True, kw_only=True)
class AuditLogSaved(Event):
    """The audit log of a host was copied into the folder of the run.

    Attributes:
        file: The copy, relative to the folder of the run.
        size: Its size in bytes.
    """

    kind: ClassVar[str] = "audit-saved"
    file: str
    size: int = 0


@cache
def _adapter(kind: str) -> TypeAdapter[Event]:
    from pydantic import TypeAdapter  # slow to import, and only a reader needs it

    return TypeAdapter(EVENT_TYPES[kind])


def from_fields(kind: str, fields: Mapping[str, Any]) -> Event:
    """Return the event of a kind with these fields.

    Args:
        kind: A key of :data:`EVENT_TYPES`.
        fields: Keys of the event's line, with plain JSON values.

    Raises:
        KeyError: There is no such kind.
        ValueError: A field is missing, or of the wrong type.
    """
    return _adapter(kind).validate_python(fields)


def parse(line: object) -> Event | None:
    """Return the event in a line of a journal; its text is safe to print.

    Args:
        line: The decoded JSON value.

    Returns:
        None if no known version of this project wrote the line.
    """
    if not isinstance(line, dict) or not isinstance(kind := line.get("kind"), str):
        return None
    if kind not in EVENT_TYPES:
        return None
    fields = {name: value for name, value in line.items() if value is not None}
    if not {"time", "host"} <= fields.keys():
        return None
    try:
        # a plan is the operator's own and has to stay as it is when the rollout is resumed
        safe = fields if kind == RolloutStarted.kind else sanitize.escape_data(fields)
        return from_fields(kind, safe)
    except (ValueError, RecursionError):
        return None
