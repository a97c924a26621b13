"""Fleets that a watch might have seen: the same for the same number of hosts and seed."""

from __future__ import annotations

import random
from typing import Any

from mlufleet.journal.events import FailureRecord
from mlufleet.watch.last_runs import RunSummary
from mlufleet.watch.observation import BUSY, SEEN, UNREACHABLE, Observation
from mlufleet.watch.problems import Change, HostState, Problem, TrackedProblem
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot

NOW = 1_795_515_300.0
EVERY_S = 300.0
#: health -> what is wrong with such a host
PROBLEMS = {
    "broken": Problem(
        "CARD_DROPPED",
        "0000:1c:00.0",
        "the card is on the bus, and the driver does not see it",
        "Reboot the host. If the card is gone again, have it replaced.",
    ),
    "unreachable": Problem(
        "UNREACHABLE", "", "connection refused", "Check the network, and sshd on the host."
    ),
    "degraded": Problem("DRIFT", "patch", "replace 2 files of transformers", "mlufleet deploy"),
}
HEALTHS = ("ok", "broken", "unreachable", "degraded", "busy")


def facts(chance: random.Random, health: str, **others: Any) -> dict[str, Any]:
    """What a probe found, on a host of that health."""
    addresses = [f"0000:{0x1A + 2 * slot:02x}:00.0" for slot in range(chance.choice([4, 8]))]
    cards = dict.fromkeys(addresses, "CN_RUNNING")
    if health == "broken":
        cards[addresses[1]] = "dropped"
    return {
        "versions": {"release": "baichuan-7b-serve", "driver": "5.10.22", "cards": len(cards)},
        "seen": NOW - 60,
        "wanted": "baichuan-7b-serve",
        "cards": cards,
        "models": dict.fromkeys(addresses, "MLU370-X8"),
        "lock": {"run": "20261124-101400-1", "operator": "li@ops", "since": "", "why": "deploy"}
        if health == "busy"
        else None,
        "endpoints": [
            {
                "release": "baichuan-7b-serve",
                "name": str(number),
                "address": f"http://10.0.0.1:{8000 + number}",
                "model": "baichuan-7b",
                "cards": [number],
                "state": "failed" if health == "broken" and number == 1 else "ready",
                "code": "SERVE_CARD" if health == "broken" and number == 1 else "",
                "first_token_s": 0.31,
                "tokens_per_s": round(chance.uniform(20, 24), 1),
            }
            for number in range(2)
        ],
        **others,
    }


def host(chance: random.Random, name: str, health: str, group: str = "rack01") -> HostSnapshot:
    """One host of that health."""
    looked, since = NOW - chance.uniform(2, EVERY_S), NOW - chance.uniform(600, 6 * 86400)
    if health == "unknown":
        return HostSnapshot(name, (group,))
    outcome = {"busy": BUSY, "unreachable": UNREACHABLE}.get(health, SEEN)
    problem = PROBLEMS.get(health)
    failure = None
    if problem and health == "unreachable":
        failure = FailureRecord(
            "connect", problem.code, problem.sentence, problem.remedy, ["port 22: refused"]
        )
    last = Observation(name, looked - 2, looked, outcome, failure)
    probed_at = looked if outcome != UNREACHABLE else since - 300
    probed = Observation(name, probed_at - 2, probed_at, SEEN, facts=facts(chance, health))
    if outcome != UNREACHABLE:
        last = probed = Observation(name, looked - 2, looked, outcome, facts=probed.facts)
    problems = {}
    if problem:
        problems[problem.key] = TrackedProblem(problem, since, looked, since + EVERY_S)
    return HostSnapshot(
        name,
        (group,),
        HostState(problems, "boot-1", looked, probed_at, health, since),
        probed,
        last,
    )


def fleet(size: int, seed: int = 1, **fields: Any) -> FleetSnapshot:
    """A fleet of so many hosts, with every health where there is room for it."""
    chance = random.Random(f"{size} {seed}")
    hosts = {}
    for index in range(size):
        health = "ok"
        if index and (index < len(HEALTHS) or chance.random() < 0.06):
            health = HEALTHS[index % len(HEALTHS)]
        name = f"mlu{index + 1:03d}"
        hosts[name] = host(chance, name, health, f"rack{index // 40 + 1:02d}")
    return FleetSnapshot(
        **{
            "taken": NOW,
            "started": NOW - 20 * 3600,
            "inventory": "inventories/fleet.py",
            "every_s": EVERY_S,
            "hosts": hosts,
            **fields,
        }
    )


def changes(snapshot: FleetSnapshot, seed: int = 1) -> list[Change]:
    """What happened to the hosts before they were what they are, and some of it that is over."""
    chance, found = random.Random(seed), []
    for name, one in snapshot.hosts.items():
        state = one.state
        for tracked in state.open_problems:
            told = state.since or NOW
            found.append(Change(told, name, "opened", tracked.problem, tracked.first_seen))
            health = Problem("HEALTH", state.health, f"{state.health}, was ok")
            found.append(Change(told, name, "health", health, NOW - 30 * 86400))
        if chance.random() < 0.1 and state.health == "ok":
            begun = NOW - chance.uniform(2 * 3600, 6 * 86400)
            ended = begun + chance.uniform(900, 7200)
            was = PROBLEMS[chance.choice(list(PROBLEMS))]
            ill = next(health for health, problem in PROBLEMS.items() if problem == was)
            found += [
                Change(begun, name, "opened", was, begun - 300),
                Change(begun, name, "health", Problem("HEALTH", ill, f"{ill}, was ok"), 0),
                Change(ended, name, "resolved", was, begun - 300),
                Change(ended, name, "health", Problem("HEALTH", "ok", f"ok, was {ill}"), begun),
            ]
    return sorted(found, key=lambda change: change.time)


RUNS = [
    RunSummary("20261124-101400-1", "rollout", NOW - 3600, verdict="No report yet"),
    RunSummary(
        "20261123-091200-7",
        "deploy",
        NOW - 90000,
        NOW - 86400,
        "2 of 40 hosts failed",
        {"failed": 2, "changed": 38},
        2,
    ),
]
