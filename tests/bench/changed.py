"""What one host that needs something costs a run of many that need nothing.

python -m tests.bench.changed [COUNT [TIMES]] > figures.json
Four runs in turn: one host and COUNT hosts, all right, and with one of them asked for its proof
again. What that adds should be the same among many as alone.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.bench import lab, measured
from tests.bench.noop import right


def main(count: int = 100, times: int = 5) -> None:
    names = lab.roots()
    right(names)
    ways = [(many, asked) for many in (1, count) for asked in (0, 1)]
    runs: dict[tuple[int, int], list[measured.Cost]] = {way: [] for way in ways}
    with lab.crowded(names):
        for turn in range(times):
            for many, asked in ways:
                measured.note(f"turn {turn + 1}: {many} hosts, {asked} of them changed")
                fleet = lab.inventory(names, lab.places(names, many), asked)
                words = [sys.executable, "-m", "pyinfra", "-y", str(fleet), "deploy.py"]
                expected = f"{many - asked} of {many} hosts needed no change"
                runs[many, asked].append(
                    measured.cost(words, names, expected, lab.FOLDER / "changed.log")
                )
    medians = {way: measured.median(costs) for way, costs in runs.items()}
    figures: dict[str, Any] = {
        f"{many} hosts, {asked} changed": cost.rounded() for (many, asked), cost in medians.items()
    }
    for many in (1, count):
        none, one = medians[many, 0], medians[many, 1]
        figures[f"one more of {many}"] = {
            "wall": round(one.wall - none.wall, 2),
            "cpu": round(one.cpu - none.cpu, 2),
        }
    print(json.dumps({"times": times, **figures}, indent=1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
