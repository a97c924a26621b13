"""Fleets as a watch sees them, that never were: the same for the same arguments."""

from __future__ import annotations

from typing import Any

from mlufleet.watch.observation import SEEN, UNREACHABLE, Observation
from mlufleet.watch.problems import BROKEN, OK, HostState, Problem, TrackedProblem
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot, LookTotals

TAKEN = 1_795_515_300.0
EVERY_S = 300.0
#: PCI addresses of the cards of a host
CARDS = [f"0000:{bus:02x}:00.0" for bus in range(0x1A, 0x2A, 2)]
VERSIONS = {
    "release": "chatglm3-6b-serve",
    "os": "ubuntu20.04",
    "kernel": "5.4.0-189-generic",
    "driver": "5.10.22",
    "engine": "24.0.7",
    "cards": len(CARDS),
}
ENDPOINT = {
    "release": "chatglm3-6b-serve",
    "model": "chatglm3-6b",
    "address": "http://10.0.0.1:8000",
    "state": "ready",
    "restarts": 1,
    "ready_s": 75.5,
    "answered": TAKEN - 40,
    "cold_first_token_s": 3.0,
    "first_token_s": 0.5,
    "tokens_per_s": 41.75,
}


def facts(**fields: Any) -> dict[str, Any]:
    """Facts of a host with eight cards and two endpoints; `fields` replace some of them."""
    return {
        "seen": TAKEN,
        "wanted": "chatglm3-6b-serve",
        "versions": VERSIONS,
        "cards": dict.fromkeys(CARDS, "CN_RUNNING"),
        "endpoints": [{**ENDPOINT, "name": name} for name in ("0", "1")],
        **fields,
    }


def look(name: str, ended: float = TAKEN, **fields: Any) -> Observation:
    """A look of two seconds; it saw a host that is right if `fields` say nothing else."""
    kinds = list_kinds(fields.get("drift", {}))
    given = {"outcome": SEEN, "boot_id": "b1", "facts": facts(), "kinds": kinds, **fields}
    return Observation(name, began=ended - 2, ended=ended, **given)


def list_kinds(drift: dict[str, list[str]]) -> dict[str, list[str]]:
    """Kinds of changes that tests tell in words; the words of stages are in any language."""
    return {
        stage: ["-".join(phrase.split()[:2]) for phrase in words] for stage, words in drift.items()
    }


def unreachable(name: str, ended: float = TAKEN) -> Observation:
    """A look that got no connection."""
    return look(name, ended, outcome=UNREACHABLE, boot_id="", facts={})


def opened(
    code: str,
    subject: str = "",
    since: float = TAKEN - 600,
    *,
    health: str = BROKEN,
    **fields: Any,
) -> HostState:
    """The state of a host with one open problem; `fields` are of the tracked problem."""
    problem = Problem(code, subject, f"{code} of {subject}", "Mend it.")
    known = {"first_seen": since, "last_seen": TAKEN, "opened": since + EVERY_S, **fields}
    tracked = TrackedProblem(problem, **known)
    return HostState({problem.key: tracked}, "b1", TAKEN, TAKEN, health, since)


def host(
    name: str,
    state: HostState | None = None,
    *,
    last: Observation | None = None,
    probed: Observation | None = None,
    groups: tuple[str, ...] = (),
) -> HostSnapshot:
    """A host that is right and was looked at just now, if nothing else is given."""
    last = last or look(name)
    probed = probed or (last if last.was_probed else None)
    state = state or HostState({}, "b1", TAKEN, TAKEN, OK, TAKEN - 7200)
    return HostSnapshot(name, groups, state, probed, last)


def snapshot(*hosts: HostSnapshot, **fields: Any) -> FleetSnapshot:
    """A watch of these hosts that began two hours ago."""
    known: dict[str, Any] = {
        "started": TAKEN - 7200,
        "inventory": "inventories/fleet.yml",
        "looks": {SEEN: LookTotals(24 * len(hosts), 48.0 * len(hosts))},
        **fields,
    }
    return FleetSnapshot(TAKEN, every_s=EVERY_S, hosts={one.name: one for one in hosts}, **known)


def fleet(count: int) -> FleetSnapshot:
    """So many hosts in racks of twenty; every tenth has lost a card."""
    return snapshot(
        *(
            host(
                f"mlu{number:04}",
                opened("CARD_DROPPED", CARDS[0]) if number % 10 == 9 else None,
                groups=("mlu", f"rack{number // 20}"),
            )
            for number in range(count)
        )
    )
