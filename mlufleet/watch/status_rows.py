"""What the status page shows of each host, of the cards and of the endpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.language import N_, _
from fleet.text import word_lists
from fleet.vendor.cnmon import CARD_RUNNING
from mlufleet.journal.endpoint_record import EndpointRecord
from mlufleet.journal.events import FactsObserved
from mlufleet.report.html_page import MarkStyle
from mlufleet.watch import problems
from mlufleet.watch.observation import BUSY
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot

#: health -> how it is marked, the most urgent one first
HEALTH_STYLES = {
    problems.BROKEN: MarkStyle("broken", "✕"),
    problems.UNREACHABLE: MarkStyle("unreachable", "?"),
    problems.DEGRADED: MarkStyle("degraded", "!"),
    problems.BUSY: MarkStyle("busy", "↻"),
    problems.UNKNOWN: MarkStyle("unknown", "○"),
    problems.OK: MarkStyle("ok", "✓"),
}
#: healths of hosts that are not as they are to be
BAD_HEALTHS = (problems.BROKEN, problems.UNREACHABLE, problems.DEGRADED)
#: a look is stale if it is older than this many intervals, and …
STALE_INTERVALS = 2
#: … this many seconds, which a look may take
STALE_GRACE_S = 60
#: in place of the state of cards on hosts that the last look could not probe
NOT_SEEN = N_("not seen by the last look")
#: endpoints that are listed; of more, those that are ready are counted by release
MAX_LISTED_ENDPOINTS = 200


@dataclass(frozen=True)
class HostRow:
    """A host.

    Attributes:
        id: Of its row in the page.
        host: What is known of it.
        facts: What the last look found that probed it; None if none has.
        looked_s: Seconds since the last look; None before the first.
        probed_s: Seconds since the last look that probed it, if that is not the last one.
        is_stale: The last look is older than it may be.
        codes: Code -> how many open problems of that code there are.
    """

    id: str
    host: HostSnapshot
    facts: FactsObserved | None
    looked_s: float | None
    probed_s: float | None
    is_stale: bool
    codes: dict[str, int]

    @property
    def health(self) -> str:
        """Health of the host."""
        return self.host.state.health

    @property
    def is_current(self) -> bool:
        """Whether the last look probed it: else nobody knows what its cards and endpoints are."""
        return self.facts is not None and self.probed_s is None

    @property
    def sick_cards(self) -> dict[str, str]:
        """Address -> state of the cards whose core does not run."""
        cards = self.facts.cards if self.facts else {}
        return {card: state for card, state in cards.items() if state != CARD_RUNNING}

    @property
    def ready_count(self) -> int:
        """How many of its endpoints were ready."""
        return sum(one.is_ready for one in self.facts.endpoints) if self.facts else 0

    @property
    def work(self) -> str:
        """Which run works on it; empty if none did at the last look."""
        if not self.host.last or self.host.last.outcome != BUSY:
            return ""
        lock = self.facts.lock if self.facts else None
        return (
            _("run {run} of {operator}", run=lock.run or "?", operator=lock.operator or "?")
            if lock
            else _("a run")
        )

    @property
    def description(self) -> str:
        """Name, health and codes in a line."""
        return _(
            "{host}: {what}",
            host=self.host.name,
            what=word_lists.join_words((_(self.health), *self.codes)),
        )


def list_rows(snapshot: FleetSnapshot) -> list[HostRow]:
    """Return a row for each host, in the order of the inventory.

    Args:
        snapshot: The fleet.
    """
    limit_s = STALE_INTERVALS * snapshot.every_s + STALE_GRACE_S
    rows = []
    for index, host in enumerate(snapshot.hosts.values()):
        state = host.state
        looked_s = _age(state.last_look, snapshot.taken)
        waited_s = looked_s if looked_s is not None else snapshot.taken - snapshot.started
        rows.append(
            HostRow(
                f"h{index}",
                host,
                host.probed.observed if host.probed else None,
                looked_s,
                _age(state.last_probed, snapshot.taken)
                if state.last_probed != state.last_look
                else None,
                waited_s > limit_s,
                dict(Counter(one.problem.code for one in state.open_problems)),
            )
        )
    return rows


def _age(moment: float | None, now: float) -> float | None:
    """Return seconds since a moment; a clock that was set back makes it no future."""
    return None if moment is None else max(0.0, now - moment)


def count_healths(rows: Iterable[HostRow]) -> dict[str, int]:
    """Return health -> number of hosts, the most urgent one first.

    Args:
        rows: All hosts.
    """
    found = Counter(row.health for row in rows)
    return {health: found[health] for health in (*HEALTH_STYLES, *found) if health in found}


@dataclass(frozen=True)
class Total:
    """How many there are of something in the fleet.

    Attributes:
        good: Cards that run, endpoints that are ready.
        known: All that the last look at their hosts saw.
        unseen: Those that an earlier look saw, on hosts that the last one could not probe.
    """

    good: int
    known: int
    unseen: int


def count_totals(rows: Sequence[HostRow]) -> dict[str, Total]:
    """Return the cards and the endpoints of the fleet.

    Args:
        rows: All hosts.
    """
    known = [(row, row.facts) for row in rows if row.facts]
    current = [(row, facts) for row, facts in known if row.is_current]
    cards = sum(len(facts.cards) for _row, facts in current)
    endpoints = sum(len(facts.endpoints) for _row, facts in current)
    return {
        N_("cards run"): Total(
            cards - sum(len(row.sick_cards) for row, _facts in current),
            cards,
            sum(len(facts.cards) for _row, facts in known) - cards,
        ),
        N_("endpoints ready"): Total(
            sum(row.ready_count for row, _facts in current),
            endpoints,
            sum(len(facts.endpoints) for _row, facts in known) - endpoints,
        ),
    }


def list_card_states(rows: Iterable[HostRow]) -> list[tuple[str, str, int, list[str]]]:
    """Return states, models, how many cards are in them, and hosts; those that run come last.

    Args:
        rows: All hosts.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.facts:
            for address, state in row.facts.cards.items():
                seen = state if row.is_current else NOT_SEEN
                key = (seen, row.facts.models.get(address, ""))
                found.setdefault(key, []).append(row.host.name)
    ordered = sorted(found.items(), key=lambda item: (item[0][0] == CARD_RUNNING, -len(item[1])))
    return [(*key, len(names), list(dict.fromkeys(names))) for key, names in ordered]


@dataclass
class ReleaseEndpoints:
    """The endpoints of a release that are ready.

    Attributes:
        count: How many.
        rates: Tokens a second of each, as far as they were measured.
        hosts: Their hosts.
    """

    count: int = 0
    rates: list[float] = field(default_factory=list)
    hosts: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class Endpoints:
    """All endpoints of the fleet.

    Attributes:
        total: How many.
        listed: Those that are listed, with their hosts: those that were not seen ready first.
        counted: Release and model -> those that are ready, if they are too many to be listed.
        omitted: How many are neither.
    """

    total: int
    listed: list[tuple[HostRow, EndpointRecord]]
    counted: Mapping[tuple[str, str], ReleaseEndpoints]
    omitted: int


def list_endpoints(rows: Iterable[HostRow]) -> Endpoints:
    """Return the endpoints of the fleet.

    Args:
        rows: All hosts.
    """
    found = [(row, one) for row in rows if row.facts for one in row.facts.endpoints]
    ready = [(row, one) for row, one in found if one.is_ready and row.is_current]
    others = [(row, one) for row, one in found if not (one.is_ready and row.is_current)]
    if len(found) <= MAX_LISTED_ENDPOINTS:
        return Endpoints(len(found), others + ready, {}, 0)
    counted: dict[tuple[str, str], ReleaseEndpoints] = {}
    for row, one in ready:
        sums = counted.setdefault((one.release, one.model), ReleaseEndpoints())
        sums.count += 1
        sums.hosts[row.host.name] = None
        if one.tokens_per_s is not None:
            sums.rates.append(one.tokens_per_s)
    listed = others[:MAX_LISTED_ENDPOINTS]
    return Endpoints(len(found), listed, counted, len(others) - len(listed))
