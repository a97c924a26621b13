"""Events of a run and its request to stop.

Operations emit events without knowing who listens: the run's journal does, and so do prefetches,
swarms and the live view of a rollout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override

from fleet.text import sanitize

#: kind -> type of the event; the events of rollouts are in :mod:`mlufleet.journal.events`
EVENT_TYPES: dict[str, type[Event]] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """What every event has.

    A subclass names its ``kind``, by which it is emitted and written to the journal; its fields are
    the keys of its line there.

    Attributes:
        host: Name of the host; empty for an event of the whole run.
        time: Seconds since the epoch; the journal sets it when it writes the event.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "ignore", "allow_inf_nan": False}
    kind: ClassVar[str] = ""

    host: str = ""
    time: float = 0.0

    @override
    def __init_subclass__(cls) -> None:
        """Register the type of event by its kind; a base class of several has none."""
        super().__init_subclass__()
        if cls.kind:
            EVENT_TYPES[cls.kind] = cls

    def to_line(self) -> dict[str, Any]:
        """Return the keys of the event's line in the journal, in their order."""
        return {"time": self.time, "kind": self.kind, **vars(self)}


@dataclass(frozen=True, kw_only=True)
class StageStarted(Event):
    """A stage of a host began.

    Attributes:
        stage: Its label: the name, and the release on hosts with several.
    """

    kind: ClassVar[str] = "stage"
    stage: str


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    """A remote job began, which changes the host.

    Attributes:
        stage: Label of its stage.
        title: What the job does.
    """

    kind: ClassVar[str] = "step"
    stage: str
    title: str


@dataclass(frozen=True, kw_only=True)
class StageDone(Event):
    """A stage of a host ended, and a probe verified it.

    Attributes:
        stage: Label of the stage.
        changes: What was done.
        seconds: How long it took.
        seen: Time of the probe; None in older journals.
        driver: Version of the loaded driver; only in older journals.
    """

    kind: ClassVar[str] = "stage-done"
    stage: str
    changes: list[str]
    seconds: float
    seen: float | None = None
    driver: str = ""


@dataclass(frozen=True, kw_only=True)
class EndpointProved(Event):
    """A client got right answers from an endpoint.

    Attributes:
        stage: Label of the stage.
        release: Name of the release.
        name: Number of the instance, from 0.
        address: URL without a path, as clients of the host reach it.
        model: Name of the model in the API.
        cards: Numbers of the host's cards that it has.
        seen_from: From where it was asked: "host", and "controller" where that can reach it.
        controller_reason: Why the controller did not ask it; empty if it did.
        ready_s: Seconds from the start of the server until it was ready.
        cold_first_token_s: Seconds until the first piece of the first answer after that.
        first_token_s: Seconds until the first piece of a later answer.
        tokens_per_s: Tokens a second of a later answer, after its first one; by the server's own
            count of usage, else pieces of the stream.
        answer: The answer to the release's question.
    """

    kind: ClassVar[str] = "endpoint-proved"
    stage: str
    release: str
    name: str
    address: str
    model: str
    cards: list[int]
    seen_from: list[str]
    controller_reason: str = ""
    ready_s: float | None = None
    cold_first_token_s: float | None = None
    first_token_s: float | None = None
    tokens_per_s: float | None = None
    answer: str = ""


@dataclass(frozen=True, kw_only=True)
class HostFailure(Event):
    """What ended a host's part in a run. It has no kind: what is emitted is one of its subclasses.

    Attributes:
        stage: Label of the stage in which it failed; empty if it was in none.
        code: Failure code.
        sentence: What is wrong.
        remedy: What to do about it.
        tail: Last lines of the output of what failed.
    """

    stage: str
    code: str
    sentence: str
    remedy: str
    tail: list[str]


@dataclass(frozen=True, kw_only=True)
class HostFailed(HostFailure):
    """A host failed."""

    kind: ClassVar[str] = "failed"


@dataclass(frozen=True, kw_only=True)
class HostUnreachable(HostFailure):
    """No connection could be made to a host."""

    kind: ClassVar[str] = "unreachable"


@dataclass(frozen=True, kw_only=True)
class LockChanged(Event):
    """The host reported something about its lock, e.g. that an expired one was taken over."""

    kind: ClassVar[str] = "lock"
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class ConnectionLost(Event):
    """The connection to a host was lost; the run tries to bring it back."""

    kind: ClassVar[str] = "lost"


@dataclass(frozen=True, kw_only=True)
class FileBackedUp(Event):
    """Something that was in the way was moved aside.

    Attributes:
        what: What was where, and its new path.
    """

    kind: ClassVar[str] = "kept"
    what: str


@dataclass(frozen=True, kw_only=True)
class ModelAnswered(Event):
    """The model answered in the smoke test.

    Attributes:
        text: The answer.
        of: Release of the model, on hosts with several.
    """

    kind: ClassVar[str] = "answer"
    text: str
    of: str = ""


@dataclass(frozen=True, kw_only=True)
class ValidationDone(Event):
    """A test of the vendor's suite ran.

    Attributes:
        plugin: The test.
        verdict: PASSED, FAILED or SKIPPED.
        why: Reason for the verdict; may be empty.
        rates: Measured rate of the slowest card, by the name that the test prints.
        where: Where the suite ran: the host or a container, and its configuration file.
    """

    kind: ClassVar[str] = "validated"
    plugin: str
    verdict: str
    why: str
    rates: dict[str, float]
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class TransferDone(Event):
    """The transfer of an upload's files ended.

    Attributes:
        title: What was transferred.
        sent: Bytes sent by SSH.
        total: Bytes of the files.
        resumed: Bytes that the host had already.
        swarmed: Bytes received from the swarm.
        reused: Bytes of files that lay elsewhere on the host.
        found: Where these lay.
        fallback: Why the host left the swarm, or empty.
        stage: Label of the stage that needs the files.
        seconds: How long the transfer took.
    """

    kind: ClassVar[str] = "transfer"
    title: str = ""
    sent: int
    total: int = 0
    resumed: int = 0
    swarmed: int = 0
    reused: int = 0
    found: list[str] = field(default_factory=list)
    fallback: str = ""
    stage: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class NoteAdded(Event):
    """Something the operator should know although it fails no host.

    Attributes:
        text: A sentence, with the remedy.
    """

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True, kw_only=True)
class TransfersProgressed(Event):
    """Progress of all transfers together; no hosts and an empty line when there are none.

    Attributes:
        hosts: Hosts that receive files now.
        line: The progress in words.
    """

    kind: ClassVar[str] = "progress"
    hosts: int = 0
    line: str = ""


@dataclass(frozen=True, kw_only=True)
class BytesSeeded(Event):
    """The controller's seeder of one file ended.

    Attributes:
        sha256: The file.
        sent: Bytes that the swarm got from the controller.
    """

    kind: ClassVar[str] = "seeded"
    sent: int
    sha256: str = ""


#: called with each event, before the next step starts; must not wait
Listener = Callable[[Event], None]


class EventBus:
    """Delivers the events of one run to its listeners.

    Attributes:
        listeners: called in this order; each may be added and removed at any time
    """

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def emit(self, host: str, kind: str, **fields: Any) -> None:
        """Deliver one event to every listener before the next step starts.

        Args:
            host: name of the host; "" for the run itself
            kind: what happened, a key of :data:`EVENT_TYPES`
            **fields: fields of that type of event; control characters in their texts are escaped
        """
        event = EVENT_TYPES[kind](host=host, **sanitize.escape_data(fields))
        for listener in tuple(self.listeners):
            listener(event)


#: seconds that a block that is being sent may still take after a request to stop
STOP_GRACE_S = 3


class StopRequest:
    """A request that every host stops before its next step.

    Attributes:
        requested: whether the run is to stop
        is_urgent: whether what runs is not waited for either; an upload ends between two blocks
        reason: why, if somebody else than the operator asked for it
        callbacks: called when the request is made; they must not block
    """

    def __init__(self) -> None:
        self.requested = self.is_urgent = False
        self.reason = ""
        self.callbacks: list[Callable[[], None]] = []

    def request(self, reason: str = "") -> None:
        """Ask every host to stop before its next step.

        Args:
            reason: why, if the operator did not ask for it; the first reason stays
        """
        self.requested, self.reason = True, self.reason or reason
        for callback in tuple(self.callbacks):
            callback()
