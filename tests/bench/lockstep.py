"""Eight bare hosts, one of them behind a slow link: each at its own pace, or all in lockstep.

python -m tests.bench.lockstep [MIB [PAIRS]]

`pyinfra … deploy.py` takes all hosts through each stage together, `mlufleet rollout` each host on
its own; the stages are the same. What comes to the slow host comes at MIB MiB/s.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

import yaml

from tests.bench.measured import note
from tests.lab import paths, traffic, up

HOSTS, SLOW = 8, "u1804-2"
INVENTORY = "inventories/lab.py"
WAYS = {
    "lockstep": ["pyinfra", "-y", INVENTORY, "deploy.py"],
    "own pace": ["fleet.cli", "rollout", INVENTORY, "--canary", "0", "--window", "100%"],
}  # fmt: skip


def bare() -> None:
    """Every host as it is before anybody has worked on it."""
    for name in yaml.safe_load(paths.INVENTORY.read_text())["hosts"]:
        up.reset(name)
    up.up(HOSTS)


def seconds(way: str, mib: int) -> float:
    bare()
    with traffic.slow(mib, SLOW):
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", *WAYS[way]], capture_output=True, text=True,
                              cwd=paths.PROJECT, env={**os.environ, "NO_COLOR": "1"})  # fmt: skip
        took = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{way}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
    note(f"{way}: {took:.1f} s")
    return round(took, 1)


def main(mib: int, pairs: int) -> None:
    up.up(HOSTS)
    runs = {way: [seconds(way, mib) for _ in range(pairs)] for way in WAYS}
    ratio = statistics.median(runs["lockstep"]) / statistics.median(runs["own pace"])
    print(json.dumps({"hosts": HOSTS, "slow MiB/s": mib, **runs, "ratio": round(ratio, 2)}))


if __name__ == "__main__":
    mib, pairs = [*sys.argv[1:], *("4", "1")[len(sys.argv) - 1 :]]
    main(int(mib), int(pairs))
