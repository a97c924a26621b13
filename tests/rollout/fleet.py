"""A fleet of six small hosts on the lab, and rollouts over it."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlufleet.report.model import STATUSES
from tests.journals import read_lines
from tests.lab import hosts as lab
from tests.runs import LAB, RELEASES, SITE, Done, mlufleet

#: the lab's first hosts carry a big release, for other tests
FLEET = ("u1604-2", "u1804-2", "c7-2", "u1604-3", "u1804-3", "c7-3")
SIZE = 3 + len(FLEET)


@dataclass(frozen=True)
class Small:
    """A release that takes seconds a host."""

    name: str
    image: str
    answer: str

    @property
    def release(self) -> str:
        return f"release={RELEASES}/{self.name}.yml"


LIGHT = Small("light", "registry.lab/light:v1", "light v1")
NEXT = Small("light-next", "registry.lab/light:v2", "light v2")
#: the next one's image, a newer driver, and no answer
BROKEN = Small("light-broken", "registry.lab/light:v2", "")


@dataclass(frozen=True)
class Settled:
    """A fleet that is on one release and can go to another.

    Which of the two it is on is as the test before left it: to move a fleet back takes a minute.
    """

    done: Done
    now: Small
    next: Small

    @property
    def run(self) -> str:
        return str(self.done.report["run"])


ANSWER = "docker exec light cat /answer"


def words(command: str, release: str, *options: str) -> list[str]:
    return [command, LAB, "--limit", "*-[2-3]", "--data", release, *options]


def rollout(release: str, *options: str, command: str = "rollout") -> Done:
    """A whole rollout, whose account is right whatever came of it."""
    return accounted(mlufleet(*words(command, release, *options)))


def accounted(done: Done) -> Done:
    """Every host is in the report, once, with a status of its own; so is the exit status."""
    counts = Counter(done.statuses().values())
    assert set(done.statuses()) == set(FLEET) and set(counts) <= set(STATUSES), counts
    assert done.status == done.report["exit"]
    assert (done.status == 0) == (set(counts) <= {"ok", "changed"}), (done.status, counts)
    return done


def newest() -> Path:
    """The folder of the run that began last."""
    return max((SITE / "runs").glob("2*/journal.jsonl")).parent


def events(run: str | Path, *kinds: str) -> list[tuple[str, str]]:
    """(kind, host) of a run's journal, in order."""
    found = read_lines(SITE / "runs" / run)
    return [(event["kind"], event["host"]) for event in found if event["kind"] in kinds]


def at_stage(host: str, stage: str) -> bool:
    """Whether the newest run has come to a stage of a host."""
    return any(
        event["kind"] == "stage" and event["host"] == host and event["stage"] == stage
        for event in read_lines(newest())
    )


def begun(done: Done) -> list[str]:
    """Hosts that were begun, in order."""
    return [host for _, host in events(done.report["run"], "begin")]


def most_at_once(done: Done) -> int:
    at_work = most = 0
    for kind, _ in events(done.report["run"], "begin", "done"):
        at_work += 1 if kind == "begin" else -1
        most = max(most, at_work)
    return most


def last_rollout(small: Small) -> Done | None:
    """The run that began last, if it has brought every host of the fleet to a release."""
    runs = sorted((SITE / "runs").glob("2*/journal.jsonl"))
    file = runs[-1].with_name("report.json") if runs else None
    report = json.loads(file.read_text()) if file and file.exists() else {}
    if report.get("kind") != "rollout" or report["exit"] != 0 or set(report["hosts"]) != set(FLEET):
        return None
    done = Done(0, "", report)
    releases = {done.host(name)["versions"]["release"] for name in FLEET}
    return accounted(done) if releases == {small.name} else None


def audits(*hosts: str) -> list[int]:
    """How many changes each host has seen in its life."""
    return [
        int(lab.run(host, "cat /var/lib/mlufleet/audit.log 2>/dev/null | wc -l")) for host in hosts
    ]


def said() -> Counter[str]:
    """What the fleet's models answer, and how many of them."""
    with ThreadPoolExecutor(len(FLEET)) as pool:
        return Counter(pool.map(lambda host: lab.run(host, ANSWER, check=False), FLEET))


def answers() -> set[str]:
    """What the fleet's models answer."""
    return set(said())


def mostly() -> Small:
    """The release that most of the fleet is on."""
    found = said()
    return max((LIGHT, NEXT), key=lambda small: found[small.answer])


def free() -> bool:
    """Whether nobody holds a host of the fleet."""
    said: Any = mlufleet("lock-status", LAB, "--limit", "*-[2-3]").output
    return all(f"{host}: free" in said for host in FLEET)
