"""First provisionings, again and again: how long each takes, and how many succeed at once.

python -m tests.bench.first [COUNT [RELEASE [SEED]]] > figures.json

Hosts of the lab are made bare, in random order and random company, each behind a link of random
speed, and provisioned by one run. A host that fails is told with its code, and not tried again.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from typing import Any

import yaml

from tests.bench.measured import note
from tests.lab import paths, traffic, up

INVENTORY = "inventories/lab.py"
#: MiB/s of the link to a host; 0 is a link that nothing slows down
SPEEDS = (0, 0, 2, 5, 10, 40)
#: seconds that a run may take
LIMIT_S = 1500


def provision(speeds: dict[str, int], release: str) -> list[dict[str, Any]]:
    """Provision bare hosts in one run.

    :param speeds: host -> MiB/s of its link
    """
    for name in speeds:
        up.reset(name)
    limits = [word for name in speeds for word in ("--limit", name)]
    data = ["--data", f"release={paths.inside(paths.RELEASES)}/{release}.yml"]
    with ExitStack() as stack:
        for name, mib in speeds.items():
            if mib:
                stack.enter_context(traffic.slow(mib, name))
        done = subprocess.run(
            [sys.executable, "-m", "mlufleet", "deploy", INVENTORY, *limits, *data],
            capture_output=True,
            text=True,
            cwd=paths.PROJECT,
            stdin=subprocess.DEVNULL,
            timeout=LIMIT_S,
        )
    output = done.stdout + done.stderr
    where = re.search(r"report: (runs/\S+/report.json)", output)
    report = json.loads((paths.PROJECT / where[1]).read_text()) if where else {"hosts": {}}
    return [describe(name, mib, report["hosts"].get(name), output) for name, mib in speeds.items()]


def describe(kind: str, mib: int, host: dict[str, Any] | None, output: str) -> dict[str, Any]:
    """What became of a host, and why.

    :param kind: of the host
    :param mib: MiB/s of its link
    :param host: its entry in the report; None if there is none
    :param output: of the run, which explains a missing report
    """
    one = {"kind": kind, "MiB/s": mib}
    if host is None:
        return {**one, "code": "NO_REPORT", "sentence": output[-500:]}
    if failure := host["failure"]:
        return {**one, **{key: failure[key] for key in ("stage", "code", "sentence")}}
    stages = host["stages"]
    took = max(each["began"] + each["seconds"] for each in stages) - stages[0]["began"]
    return {
        **one,
        "seconds": round(took, 1),
        "stages": {each["stage"]: round(each["seconds"], 1) for each in stages},
    }


def summarize(ended: list[dict[str, Any]]) -> dict[str, Any]:
    """Count successes and failures, and order the times of the successes."""
    seconds = sorted(one["seconds"] for one in ended if "seconds" in one)
    centiles = statistics.quantiles(seconds, n=100, method="inclusive") if seconds[1:] else []
    return {
        "hosts": len(ended),
        "at the first attempt": round(len(seconds) / len(ended), 3),
        "p50 s": round(centiles[49], 1) if centiles else None,
        "p99 s": round(centiles[98], 1) if centiles else None,
        "failures": Counter(one["code"] for one in ended if "code" in one),
        "explained": [one for one in ended if "code" in one],
    }


def main(count: str = "200", release: str = "light", seed: str = "1") -> None:
    chance = random.Random(seed)
    names = list(yaml.safe_load(paths.INVENTORY.read_text())["hosts"])
    ended: list[dict[str, Any]] = []
    while len(ended) < int(count):
        most = min(len(names), int(count) - len(ended))
        chosen = chance.sample(names, chance.randint(1, most))
        latest = provision({name: chance.choice(SPEEDS) for name in chosen}, release)
        for one in latest:
            note(json.dumps(one))
        ended += latest
        note(f"{len(ended)} hosts, {sum('code' in one for one in ended)} failed")
    print(json.dumps({"seed": seed, **summarize(ended), "each": ended}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
