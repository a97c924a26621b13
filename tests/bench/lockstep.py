"""Eight bare hosts, one of them behind a slow link: each at its own pace, or all in lockstep.

python -m tests.bench.lockstep [MIB [TIMES [RELEASE [HOSTS]]]] > figures.json

In lockstep all hosts go through each stage together, and one thing is done at a time on each. That
is `pyinfra … deploy.py` without what the project adds to it: files that come ahead of their stage.
`mlufleet rollout` takes each host on its own. The stages are the same. What comes to the slow host
comes at MIB MiB/s. Of each run at its own pace, the report says how many times its slowest part the
last host took. With one HOST, that host is the slow one, and nothing is done in lockstep.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from tests.bench.measured import note
from tests.journals import read_lines
from tests.lab import paths, traffic, up
from tests.lab.fleet import names

HOSTS = 8
#: place of the slow host among the hosts
SLOW = 5
INVENTORY = "inventories/lab.py"
#: pyinfra's command, with nothing ahead of its stage
STAGE_BY_STAGE = """
import runpy
from unittest import mock
from operations.stages import HostPlan
with mock.patch.object(HostPlan, "prefetchable", []):
    runpy.run_module("pyinfra", run_name="__main__")
"""
OWN_PACE = "own pace"
WAYS = {
    "lockstep": ["-c", STAGE_BY_STAGE, "-y", INVENTORY, "deploy.py"],
    OWN_PACE: [
        "-m",
        "mlufleet",
        "rollout",
        INVENTORY,
        "--canary",
        "0",
        "--window",
        "100%",
        "--uploads",
        "8",
    ],
}


def bare(count: int) -> None:
    """Every host as it is before anybody has worked on it."""
    for name in yaml.safe_load(paths.INVENTORY.read_text())["hosts"]:
        up.reset(name)
    up.up(count)


def folder_of(output: str, way: str) -> Path:
    """Folder of the run that has printed this."""
    run = re.search(r"runs/([0-9]+-[0-9]+-[0-9]+)", output)
    if run is None:
        raise RuntimeError(f"{way}: {output[-5000:]}")
    return paths.PROJECT / "runs" / run[1]


def ended(run: Path) -> dict[str, float]:
    """Host -> seconds from the begin of the run until it was proved."""
    events = read_lines(run)
    began = events[0]["time"]
    return {
        event["host"]: round(event["time"] - began, 1)
        for event in events
        if event["kind"] == "stage-done" and event["stage"] == "smoke"
    }


def once(way: str, mib: int, release: str, count: int) -> dict[str, Any]:
    bare(count)
    slow = list(islice(names(), min(SLOW, count)))[-1].name
    data = ["--data", f"release={paths.inside(paths.RELEASES)}/{release}.yml"]
    with traffic.slow(mib, slow):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *WAYS[way], *data],
            capture_output=True,
            text=True,
            cwd=paths.PROJECT,
            env={**os.environ, "NO_COLOR": "1"},
        )
        took = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{way}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
    run = folder_of(done.stdout + done.stderr, way)
    hosts, path = ended(run), json.loads((run / "report.json").read_text())["critical_path"]
    middle = round(statistics.median(hosts.values()), 1)
    note(f"{way}: {took:.1f} s, half of the hosts after {middle:.1f} s")
    said = {"all": round(took, 1), "half": middle, "slow": hosts[slow]}
    floor = {"floor": path["floor_part"], "times the floor": path["ratio"]}
    return {**said, **floor} if way == OWN_PACE else said


def main(mib: int, times: int, release: str, count: int) -> None:
    up.up(count)
    ways = list(WAYS) if count > 1 else [OWN_PACE]
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    for _ in range(times):
        for way in ways:
            runs[way].append(once(way, mib, release, count))
    floors = statistics.median(run["times the floor"] for run in runs[OWN_PACE])
    ratios = {
        what: round(
            statistics.median(a[what] / b[what] for a, b in zip(*runs.values(), strict=True)), 2
        )
        for what in ("all", "half")
        if count > 1
    }
    print(
        json.dumps(
            {
                "hosts": count,
                "slow MiB/s": mib,
                "release": release,
                **runs,
                "times as fast": ratios,
                "times the floor": floors,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    given = [*sys.argv[1:], *("1", "5", "light", str(HOSTS))[len(sys.argv) - 1 :]]
    mib, times, release, count = given
    main(int(mib), int(times), release, int(count))
