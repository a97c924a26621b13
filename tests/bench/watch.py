"""What the watch costs: many entries of an inventory, each looked at every minute.

python -m tests.bench.watch [COUNT [MINUTES]] > figures.json
The entries lead to few lab hosts, as in tests.bench.noop; runs over the same entries that change
nothing are measured after it. An hour shows whether memory stays flat: 300 60.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.bench import lab, measured
from tests.bench.noop import right

TICKS = os.sysconf("SC_CLK_TCK")
EVERY_S = 60
#: seconds between two counts of the rounds
SAMPLE_S = 10
#: the history, in the folder of the watch
FILE = "watch.sqlite3"


def children(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [int(child) for child in found]


def cpu(pid: int) -> float:
    """Seconds that a process and its ended children have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def memory(pid: int) -> float:
    """MiB that a process has in memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if "VmRSS" in line) / 1024


def size(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / (1 << 20)


def sample(watch: int, state: Path) -> dict[str, float]:
    (look,) = children(watch)
    return {
        "looks": sum(count_looks(state).values()),
        "watch CPU": cpu(watch),
        "look CPU": cpu(look),
        "watch MiB": memory(watch),
        "look MiB": memory(look),
        "files MiB": size(state),
        "load": os.getloadavg()[0],
    }


def wait_minute(watch: int, end: float) -> int:
    """Wait until a time, and return how many rounds there were at once."""
    most = 0
    while (left := end - time.monotonic()) > 0:
        most = max([most, *(len(children(look)) for look in children(watch))])
        time.sleep(min(SAMPLE_S, left))
    return most


def observe(fleet: Path, minutes: int) -> list[dict[str, float]]:
    """A sample of each minute of a watch over an inventory, once its first pass has ended."""
    state = lab.FOLDER / "watch"
    for file in state.glob("*"):
        file.unlink()
    words = [sys.executable, "-m", "mlufleet", "watch", str(fleet), "--every", f"{EVERY_S}s"]
    words += ["--state", str(state), "--listen", "off"]
    found = []
    with (lab.FOLDER / "watch.log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            time.sleep(EVERY_S)  # everything is imported, and each host was looked at once
            began = time.monotonic()
            for minute in range(minutes + 1):
                rounds = wait_minute(process.pid, began + 60 * minute)
                found.append({"minute": minute, **sample(process.pid, state), "rounds": rounds})
                measured.note(json.dumps(found[-1]))
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    return found


def count_looks(state: Path) -> Counter[str]:
    """Looks in the history by the health of the host after them."""
    looks: Counter[str] = Counter()
    with closing(sqlite3.connect((state / FILE).resolve().as_uri() + "?mode=ro", uri=True)) as file:
        for health, count in file.execute("SELECT health, sum(count) FROM looks GROUP BY health"):
            looks[health] = count
    return looks


def main(count: int = 300, minutes: int = 5) -> None:
    names = lab.roots()
    right(names)
    with lab.crowded(names):
        fleet = lab.inventory(names, lab.places(names, count))
        samples = observe(fleet, minutes)
        ours = [sys.executable, "-m", "pyinfra", "-y", str(fleet), "deploy.py"]
        expected = f"{count} of {count} hosts needed no change"
        runs = [measured.cost(ours, names, expected, lab.FOLDER / "product.log") for _ in range(3)]
    first, last = samples[0], samples[-1]
    looks = last["looks"] - first["looks"]
    spent = {
        name: (last[f"{name} CPU"] - first[f"{name} CPU"]) / looks for name in ("watch", "look")
    }
    figures: dict[str, Any] = {
        "cores": multiprocessing.cpu_count(),
        "hosts": count,
        "every": EVERY_S,
        "looks": count_looks(lab.FOLDER / "watch"),
        "looks of those due": round(looks / (count * minutes * 60 / EVERY_S), 3),
        "ms of CPU a look": {name: round(value * 1000, 1) for name, value in spent.items()},
        "ms of CPU a host of a run": round(
            statistics.median(r.cpu for r in runs) / count * 1000, 1
        ),
        "samples": [{name: round(value, 2) for name, value in one.items()} for one in samples],
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
