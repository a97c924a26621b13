"""Reports of fleets that never were: the same for the same number of hosts and seed."""

from __future__ import annotations

import random
from typing import Any

STARTED = 1_795_515_300.0
#: stage -> seconds that it takes, about
STAGES = {
    "preflight": 2,
    "lock": 1,
    "driver": 180,
    "engine": 20,
    "sources": 15,
    "image": 140,
    "weights": 90,
    "container": 6,
    "migration": 25,
    "patch": 2,
    "packages": 40,
    "smoke": 30,
}
SYSTEMS = [
    ("Ubuntu 20.04", "5.4.0-189-generic"),
    ("CentOS 7.9", "3.10.0-1160.el7.x86_64"),
    ("Debian 12", "6.1.0-22-amd64"),
]
RELEASES = [("baichuan-7b", "5.10.10"), ("baichuan-13b", "6.0.3")]
ANSWERS = ["登鹳雀楼->王之涣", "Hamlet->Shakespeare"]
TAIL = [
    "CC [M] /usr/src/cambricon-5.10.10/cndrv_core.o",
    "cndrv_mm.c:412:9: error: too few arguments to function ‘get_user_pages’",
    "make: *** [Makefile:1894: /usr/src/cambricon-5.10.10] Error 2",
]
FAULTS = {
    "DRIVER_INSTALL": (
        "driver",
        "the driver does not build on kernel 5.4.0-189-generic",
        "read the host's build log; `mlufleet explain DRIVER_INSTALL`",
    ),
    "MIGRATION": (
        "migration",
        "the vendor's tool left 3 of 212 files as they were",
        "read its log on the host; a newer tool may be needed",
    ),
}


def host(chance: random.Random, index: int, begins: float, status: str = "ok") -> dict[str, Any]:
    """One host, begun so many seconds after the run."""
    system, kernel = SYSTEMS[index % len(SYSTEMS)]
    release, driver = RELEASES[index % 5 == 4]
    cards = [f"0000:{0x1A + 2 * slot:02x}:00.0" for slot in range(chance.choice([4, 8]))]
    began = clock = STARTED + begins
    stages: list[dict[str, Any]] = []
    failure = None
    if status in ("failed", "rolled back"):
        code = chance.choice(list(FAULTS))
        stage, sentence, remedy = FAULTS[code]
        failure = {
            "stage": stage,
            "code": code,
            "sentence": sentence,
            "remedy": remedy,
            "tail": TAIL,
        }
    if status == "unreachable":
        failure = {
            "stage": "connect",
            "code": "UNREACHABLE",
            "sentence": "connection refused",
            "remedy": "check the network and sshd",
            "tail": [],
        }
    if status in ("ok", "changed", "failed", "rolled back", "skipped"):
        for stage, about in STAGES.items():
            seconds = about * chance.uniform(0.6, 1.5) if status != "ok" else chance.uniform(0.1, 2)
            changes = [f"bring {stage}"] if status != "ok" else []
            stages.append(
                {"stage": stage, "began": clock, "seconds": round(seconds, 2), "changes": changes}
            )
            clock += seconds
            if failure and stage == failure["stage"]:
                break
    states = dict.fromkeys(cards, "CN_RUNNING")
    if index % 17 == 3:
        states[cards[1]] = "dropped"
    reached = bool(stages)
    return {
        "status": status,
        "stages": stages,
        "failure": failure,
        "versions": {
            "release": release,
            "os": system,
            "kernel": kernel,
            "driver": driver,
            "engine": "24.0.7",
            "cards": len(cards),
        }
        if reached
        else {},
        "answer": chance.choice(ANSWERS) if status in ("ok", "changed") else None,
        "kept": ["/opt/mlu/transformers.kept-1"] if index % 29 == 5 else [],
        "notes": ["the clock is 41 s off"] if index % 23 == 4 else [],
        "drift": {"driver": ["install driver 5.10.10"]} if status == "changed" else {},
        "lock": None,
        "wanted": release,
        "seen": round(clock, 3) if reached else None,
        "old": status == "failed",
        "cards": states if reached else {},
        "serials": {a: f"MLU370X8{index:04d}{i:02d}" for i, a in enumerate(cards)}
        if reached
        else {},
        "groups": [f"rack{index // 40 + 1:02d}"],
        "began": began if status != "not started" else None,
        "ended": clock if status != "not started" else None,
        "canary": index < 2,
        "way_back": "",
        "rolled_back": {"from": "baichuan-7b", "to": "baichuan-6b"}
        if status == "rolled back"
        else None,
    }


def fleet(size: int, seed: int = 1, window: int = 40) -> dict[str, Any]:
    """A rollout of so many hosts, with every status where there is room for it."""
    chance = random.Random(f"{size} {seed}")
    rare = ["failed", "unreachable", "rolled back", "skipped", "not started", "ok"]
    hosts: dict[str, dict[str, Any]] = {}
    for index in range(size):
        status = "changed"
        if index and (index <= 6 <= size - 3 or chance.random() < 0.06):
            status = rare[(index - 1) % len(rare)]
        if size <= 8 and index == size - 1 and size > 1:
            status = "failed"
        begins = index // window * 420 + chance.uniform(0, 30)
        hosts[f"mlu{index + 1:03d}"] = host(chance, index, begins, status)
    ends = [h["ended"] for h in hosts.values() if h["ended"]]
    failed = any(h["status"] == "failed" for h in hosts.values())
    return {
        "schema": 2,
        "run": "20261124-101500-4711",
        "kind": "rollout",
        "started": STARTED,
        "ended": max(ends, default=STARTED) + 3,
        "dry": False,
        "interrupted": False,
        "exit": 2 if failed else 0,
        "rollout": {
            "canaries": [n for n, h in hosts.items() if h["canary"]],
            "window": window,
            "max_fail": 20,
            "stopped": "",
            "resumes": "",
        },
        "hosts": hosts,
    }
