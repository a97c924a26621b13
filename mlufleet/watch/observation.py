"""What one look at one host brought, as data that crosses processes and is stored."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from fleet.errors import FAILURE_TABLE, Failure
from mlufleet.journal import events
from mlufleet.journal.events import FactsObserved, FailureRecord

#: The host was probed; `facts` and `drift` are what it was at that moment.
SEEN = "seen"
#: A run holds the host's lock: it was probed, and what it is is that run's concern.
BUSY = "busy"
#: No connection; `failure` says why.
UNREACHABLE = "unreachable"
#: It was connected to and could not be probed; `failure` says why.
UNPROBED = "unprobed"
OUTCOMES = (SEEN, BUSY, UNREACHABLE, UNPROBED)


@dataclass(frozen=True)
class Observation:
    """One look at one host.

    Attributes:
        host: Name of the host in the inventory.
        began: When the look began, in seconds since the epoch by the controller's clock.
        ended: When it ended.
        outcome: One of :data:`OUTCOMES`.
        failure: Why the host could not be looked at, or why its release cannot be applied to it;
            None for neither.
        boot_id: Differs between two boots of the host; empty if it was not probed.
        facts: Fields of :class:`mlufleet.journal.events.FactsObserved`; empty if it was not probed.
        drift: Stage -> what it would do; without the stage of `failure`.
        kinds: Stage -> the kind of each of these changes, as :mod:`operations.stage` names them,
            "" for none; only of stages with such changes. Empty in looks of older versions.
    """

    host: str
    began: float
    ended: float
    outcome: str
    failure: FailureRecord | None = None
    boot_id: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    drift: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, list[str]] = field(default_factory=dict)

    @property
    def was_probed(self) -> bool:
        """Whether `facts` and `drift` are known."""
        return self.outcome in (SEEN, BUSY)

    @property
    def observed(self) -> FactsObserved | None:
        """The facts as the report's own types, safe to print; None if the host was not probed."""
        line = {"kind": FactsObserved.kind, "time": self.ended, "host": self.host, **self.facts}
        event = events.parse(line) if self.facts else None
        return event if isinstance(event, FactsObserved) else None

    def list_changes(self, stage: str) -> list[tuple[str, str]]:
        """Return what a stage would do: the kind of each change, "" for none, and its words.

        Args:
            stage: Label of the stage.
        """
        words = self.drift.get(stage, [])
        return list(zip(self.kinds.get(stage) or [""] * len(words), words, strict=False))

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Observation:
        """Read what :meth:`to_json` wrote.

        Args:
            line: The line.

        Raises:
            ValueError: It is not such a line.
        """
        return cls.from_fields(json.loads(line))

    @classmethod
    def from_fields(cls, fields: Any) -> Observation:
        """Make one of the fields that :func:`dataclasses.asdict` made of it.

        Args:
            fields: The fields; anything else is an error.

        Raises:
            ValueError: These are not the fields of an observation.
        """
        try:
            given = dict(fields)
            failure = given.pop("failure", None)
            return cls(failure=FailureRecord(**failure) if failure else None, **given)
        except (TypeError, ValueError) as error:
            raise ValueError(f"not an observation: {error}") from None


def record_failure(failure: Failure, stage: str = "") -> FailureRecord:
    """Return a failure as an observation keeps it.

    Args:
        failure: Why a host failed.
        stage: Stage in which it did; empty for none.
    """
    tail, action = list(failure.tail), FAILURE_TABLE[failure.code].action
    return FailureRecord(stage, failure.code, failure.sentence, failure.remedy, tail, action)
