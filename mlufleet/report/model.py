"""A report as typed values with every field there, whichever version of the project wrote it.

The page, JUnit and the hand-over read reports of older runs too: what is missing or null is empty.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fleet.text import sanitize
from fleet.vendor.validation_suite import FAILED, SKIPPED
from mlufleet.journal.journal import safe_file_name
from mlufleet.report.derive import STATUSES as STATUSES
from mlufleet.report.host_ranges import natural_key
from mlufleet.report.last_seen import stale_note
from operations.host.facts import CARD_RUNNING

STAGES = (
    "preflight",
    "lock",
    "driver",
    "engine",
    "sources",
    "image",
    "weights",
    "container",
    "migration",
    "patch",
    "packages",
    "smoke",
    "validation",
)


def stage_name(stage: str) -> str:
    """A stage whichever release of its host it was for: "image of chatglm3-6b" is one of image."""
    return stage.partition(" of ")[0]


def printable_text(value: object) -> str:
    """Text that every encoder takes and that no reader obeys, whoever wrote the report."""
    return (
        "" if value is None else sanitize.escape_line(str(value))
    )  # versions have a number of cards


PrintableText = Annotated[str, BeforeValidator(printable_text)]


class _LenientModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _drop_missing_values(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {
            key: value
            for key, value in data.items()
            if value is not None and not (isinstance(value, float) and not math.isfinite(value))
        }


class StageReport(_LenientModel):
    stage: PrintableText = ""
    began: float | None = None
    seconds: float = 0.0
    changes: list[PrintableText] = []


class HostFailure(_LenientModel):
    stage: PrintableText = ""
    code: PrintableText = ""
    sentence: PrintableText = ""
    remedy: PrintableText = ""
    tail: list[PrintableText] = []


class ValidationResult(_LenientModel):
    """One of the vendor's validation suite."""

    verdict: PrintableText = ""
    why: PrintableText = ""
    rates: dict[PrintableText, float] = {}


class RolloutReport(_LenientModel):
    canaries: list[PrintableText] = []
    window: int = 0
    max_fail: int = 0
    stopped: PrintableText = ""
    resumes: PrintableText = ""


class HostReport(_LenientModel):
    status: PrintableText
    stages: list[StageReport] = []
    failure: HostFailure | None = None
    versions: dict[PrintableText, PrintableText] = {}
    answer: PrintableText = ""
    kept: list[PrintableText] = []
    notes: list[PrintableText] = []
    drift: dict[PrintableText, list[PrintableText]] = {}
    lock: dict[PrintableText, PrintableText] | None = None
    cards: dict[PrintableText, PrintableText] = {}
    serials: dict[PrintableText, PrintableText] = {}
    models: dict[PrintableText, PrintableText] = {}
    owners: dict[PrintableText, PrintableText] = {}
    wanted: PrintableText = ""
    seen: float | None = None
    old: bool = False
    validation: dict[PrintableText, ValidationResult] = {}
    groups: list[PrintableText] = []
    began: float | None = None
    ended: float | None = None
    canary: bool = False
    rolled_back: dict[PrintableText, PrintableText] | None = None
    way_back: PrintableText = ""
    sent: int = 0
    swarmed: int = 0
    ahead: float = 0.0

    @property
    def seconds(self) -> float:
        if self.began is not None and self.ended is not None:
            return max(0.0, self.ended - self.began)
        return math.fsum(stage.seconds for stage in self.stages)

    @property
    def unhealthy(self) -> dict[str, str]:
        return {address: state for address, state in self.cards.items() if state != CARD_RUNNING}

    @property
    def count(self) -> int:
        """Cards on the bus: those named, or else how many were counted."""
        counted = self.versions.get("cards", "")
        return len(self.cards) or (int(counted) if counted.isdecimal() else 0)

    @property
    def remarks(self) -> list[str]:
        """What is no failure and yet somebody should read."""
        back, lock = self.rolled_back or {}, self.lock or {}
        return [
            *(
                [f"rolled back from {back.get('from', '?')} to {back.get('to', '?')}"]
                if back
                else []
            ),
            *(
                [f"was held by {lock.get('operator') or '?'}, run {lock.get('run') or '?'}"]
                if lock
                else []
            ),
            *([self.way_back] if self.way_back else []),
            *([said] if (said := stale_note(self.seen, self.old)) else []),
            *(f"kept {what}" for what in self.kept),
            *(
                [f"{self.swarmed / 1e6:,.0f} MB came by a swarm, {self.sent / 1e6:,.0f} MB by SSH"]
                if self.swarmed
                else []
            ),
            *(
                [f"files of later stages came in {self.ahead:.0f} s that other stages took"]
                if self.ahead >= 1
                else []
            ),
            *self.notes,
        ]


class Report(_LenientModel):
    run: PrintableText = ""
    kind: PrintableText = "deploy"
    started: float | None = None
    ended: float | None = None
    dry: bool = False
    interrupted: bool = False
    exit: int | None = None
    rollout: RolloutReport | None = None
    hosts: dict[PrintableText, HostReport] = Field(default_factory=dict)

    @property
    def validated(self) -> list[tuple[str, str, ValidationResult]]:
        """Host, test and what came of it; what failed comes first, then what did not run."""
        every = [
            (name, plugin, test)
            for name, host in self.hosts.items()
            for plugin, test in host.validation.items()
        ]
        ranks = {FAILED: 0, SKIPPED: 1}
        return sorted(every, key=lambda one: ranks.get(one[2].verdict, 2))

    @property
    def counts(self) -> dict[str, int]:
        """Status -> hosts; adds up to all hosts, also where a status is unknown here."""
        seen = Counter(host.status for host in self.hosts.values())
        known = {status: seen.pop(status) for status in STATUSES if status in seen}
        return {**known, **dict(sorted(seen.items()))}


def parse_report(report: Mapping[str, Any]) -> Report:
    """The report with its hosts in the order in which a person counts them.

    :raises pydantic.ValidationError: this is no report
    """
    found = Report.model_validate(report)
    hosts = {name: found.hosts[name] for name in sorted(found.hosts, key=natural_key)}
    return found.model_copy(update={"hosts": hosts})


def log_file_name(name: str) -> str:
    """Name of a host's log, beside the report; as :class:`mlufleet.run.run.HostLog` writes it."""
    return f"{safe_file_name(name)}.log"
