"""Eight bare hosts, one of them behind a slow link: each at its own pace, or all in lockstep.

python -m tests.bench.lockstep [MIB [TIMES [RELEASE]]] > figures.json

In lockstep all hosts go through each stage together, and one thing is done at a time on each. That
is `pyinfra … deploy.py` without what the project adds to it: files that come ahead of their stage.
`mlufleet rollout` takes each host on its own. The stages are the same. What comes to the slow host
comes at MIB MiB/s.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time

import yaml

from tests.bench.measured import note
from tests.journals import read_lines
from tests.lab import paths, traffic, up

HOSTS, SLOW = 8, "u1804-2"
INVENTORY = "inventories/lab.py"
#: pyinfra's command, with nothing ahead of its stage
STAGE_BY_STAGE = """
import runpy
from unittest import mock
from operations.stages import HostPlan
with mock.patch.object(HostPlan, "prefetchable", []):
    runpy.run_module("pyinfra", run_name="__main__")
"""
WAYS = {
    "lockstep": ["-c", STAGE_BY_STAGE, "-y", INVENTORY, "deploy.py"],
    "own pace": [
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


def bare() -> None:
    """Every host as it is before anybody has worked on it."""
    for name in yaml.safe_load(paths.INVENTORY.read_text())["hosts"]:
        up.reset(name)
    up.up(HOSTS)


def ended(output: str, way: str) -> dict[str, float]:
    """Host -> seconds from the begin of the run until it was proved."""
    run = re.search(r"runs/([0-9]+-[0-9]+-[0-9]+)", output)
    if run is None:
        raise RuntimeError(f"{way}: {output[-5000:]}")
    events = read_lines(paths.PROJECT / "runs" / run[1])
    began = events[0]["time"]
    return {
        event["host"]: round(event["time"] - began, 1)
        for event in events
        if event["kind"] == "stage-done" and event["stage"] == "smoke"
    }


def once(way: str, mib: int, release: str) -> dict[str, float]:
    bare()
    data = ["--data", f"release={paths.inside(paths.RELEASES)}/{release}.yml"]
    with traffic.slow(mib, SLOW):
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
    hosts = ended(done.stdout + done.stderr, way)
    middle = statistics.median(hosts.values())
    note(f"{way}: {took:.1f} s, half of the hosts after {middle:.1f} s")
    return {"all": round(took, 1), "half": middle, "slow": hosts[SLOW]}


def main(mib: int, times: int, release: str) -> None:
    up.up(HOSTS)
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(times):
        for way in WAYS:
            runs[way].append(once(way, mib, release))
    ratios = {
        what: round(
            statistics.median(a[what] / b[what] for a, b in zip(*runs.values(), strict=True)), 2
        )
        for what in ("all", "half")
    }
    print(
        json.dumps(
            {
                "hosts": HOSTS,
                "slow MiB/s": mib,
                "release": release,
                **runs,
                "times as fast": ratios,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    mib, times, release = [*sys.argv[1:], *("1", "5", "light")[len(sys.argv) - 1 :]]
    main(int(mib), int(times), release)
