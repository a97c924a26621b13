"""What the watch costs: many entries of an inventory, each looked at every minute.

python -m tests.bench.watch [COUNT [MINUTES]] > figures.json
The entries lead to few lab hosts, as in tests.bench.noop; a run over the same entries that changes
nothing is measured beside it. An hour shows whether memory stays flat: 300 60.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench import lab, measured
from tests.bench.noop import right

TICKS = os.sysconf("SC_CLK_TCK")
EVERY_S = 60
#: seconds between two looks at the processes
SAMPLE_S = 10


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
        "watch CPU": cpu(watch),
        "look CPU": cpu(look),
        "watch MiB": memory(watch),
        "look MiB": memory(look),
        "rounds": len(children(look)),
        "files MiB": size(state),
    }


def observe(fleet: Path, minutes: float) -> list[dict[str, float]]:
    """Samples of a watch over an inventory, with the minutes since its first pass had ended."""
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
            while (now := time.monotonic()) < began + minutes * 60 + 1:
                found.append({"minute": (now - began) / 60, **sample(process.pid, state)})
                time.sleep(SAMPLE_S)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    return found


def count_looks(state: Path) -> int:
    """Looks that the history has, all of which found the hosts right."""
    from mlufleet.watch.store import Store

    store = Store(state)
    try:
        states = store.load_states().values()
        assert all(one.health == "ok" for one in states), {one.health for one in states}
        return sum(each.count for each in store.list_looks())
    finally:
        store.close()


def main(count: int = 300, minutes: float = 5) -> None:
    names = lab.roots()
    right(names)
    with lab.crowded(names):
        fleet = lab.inventory(names, lab.places(names, count))
        ours = [sys.executable, "-m", "pyinfra", "-y", str(fleet), "deploy.py"]
        expected = f"{count} of {count} hosts needed no change"
        runs = [measured.cost(ours, names, expected, lab.FOLDER / "product.log") for _ in range(3)]
        samples = observe(fleet, minutes)
    first, last = samples[0], samples[-1]
    looks = count * (last["minute"] - first["minute"]) * 60 / EVERY_S
    spent = {
        name: (last[f"{name} CPU"] - first[f"{name} CPU"]) / looks for name in ("watch", "look")
    }
    marks = [
        min(samples, key=lambda one: abs(one["minute"] - at))
        for at in (0, 5, 15, 30, 60)
        if at <= minutes
    ]
    figures: dict[str, Any] = {
        "cores": multiprocessing.cpu_count(),
        "hosts": count,
        "every": EVERY_S,
        "looks": count_looks(lab.FOLDER / "watch"),
        "ms of CPU a look": {name: round(value * 1000, 1) for name, value in spent.items()},
        "ms of CPU a host of a run": round(
            statistics.median(r.cpu for r in runs) / count * 1000, 1
        ),
        "rounds at once": max(one["rounds"] for one in samples),
        "samples": [{name: round(value, 2) for name, value in one.items()} for one in marks],
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((int, float), sys.argv[1:], strict=False)))
