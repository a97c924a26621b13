"""What a run costs that changes nothing, beside a bare client that opens the same connections.

python -m tests.bench.noop [COUNT=TIMES…] > figures.json
Many names lead to few lab hosts. Both run in turn, the same command on the same hosts; medians.
"""

from __future__ import annotations

import json
import multiprocessing
import shlex
import statistics
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import yaml

from fleet.store.targets import load_host_target
from operations.host import probe
from operations.host.wire import quote_for_any_shell
from tests.bench import lab, measured
from tests.lab import paths
from tests.runs import pyinfra

COUNTS = {1: 9, 20: 7, 100: 5, 300: 5}
#: as many at a time as pyinfra takes by itself
PARALLEL = 20 * multiprocessing.cpu_count()


def command() -> str:
    """What the product sends: its probe under sudo."""
    wanted = load_host_target({"release": lab.RELEASE, "store": paths.inside(paths.STORE)})
    fact = probe.probe_command(probe.probe_arguments(wanted))
    words = str(fact.get_raw_value())
    return quote_for_any_shell(f"sudo -H -n sh -c {shlex.quote(words)}")


def targets(fleet: Path) -> Path:
    """The hosts of an inventory as the bare client reads them."""
    hosts = yaml.safe_load(fleet.with_suffix(".yml").read_text())["hosts"]
    file = lab.FOLDER / "targets.json"
    file.write_text(
        json.dumps(
            {
                "known_hosts": str(lab.KNOWN_HOSTS),
                "key": str(paths.SSH_KEY),
                "parallel": PARALLEL,
                "command": command(),
                "targets": [(data["ssh_hostname"], data["ssh_port"]) for data in hosts.values()],
            }
        )
    )
    return file


def pair(at: list[tuple[str, int]], times: int, names: list[str]) -> dict[str, Any]:
    """Both ways for so many places, which lead to these hosts, in turn."""
    count, fleet = len(at), lab.inventory(names, at)
    bare = [sys.executable, "-m", "tests.bench.bare", str(targets(fleet))]
    ours = [sys.executable, "-m", "pyinfra", "-y", str(fleet), "deploy.py"]
    runs: list[tuple[measured.Cost, measured.Cost]] = []
    for turn in range(times + 1):
        measured.note(f"{count} hosts, {turn or 'warm-up'}")
        one = measured.cost(bare, names, f"{count} of {count} hosts", lab.FOLDER / "bare.log")
        two = measured.cost(
            ours, names, f"{count} of {count} hosts needed no change", lab.FOLDER / "product.log"
        )
        if turn:  # the first one only warms caches
            runs.append((one, two))
    floor, product = (measured.median(column) for column in zip(*runs, strict=True))
    return {
        "times": times,
        "bare": floor.rounded(),
        "product": product.rounded(),
        "wall ratio": round(statistics.median(b.wall / a.wall for a, b in runs), 2),
        "CPU ratio": round(statistics.median(b.cpu / a.cpu for a, b in runs), 2),
        "seconds over": round(statistics.median(b.wall - a.wall for a, b in runs), 2),
    }


def right(names: list[str]) -> None:
    """Bring the hosts to the release of the bench, where they are not there yet."""
    limit = [word for name in names for word in ("--limit", name)]
    with redirect_stdout(sys.stderr):  # figures alone are to be on standard output
        done = pyinfra("-y", "--data", f"release={lab.RELEASE}", *limit)
    assert done.report["exit"] == 0


def main(*words: str) -> None:
    counts = {int(c): int(t) for c, t in (word.split("=") for word in words)} or COUNTS
    names = lab.roots()
    right(names)
    figures: dict[str, dict[str, Any]] = {}
    with lab.crowded(names):
        for count, times in counts.items():
            figures[str(count)] = pair(lab.places(names, count), times, names)
            measured.note(json.dumps({count: figures[str(count)]}))
    print(
        json.dumps(
            {"cores": multiprocessing.cpu_count(), "runs": figures, "MiB a host": growth(figures)},
            indent=1,
        )
    )


def growth(figures: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Peak memory that each more host costs, by the fewest and the most."""
    few, many = min(figures, key=int), max(figures, key=int)
    more = int(many) - int(few) or 1
    return {
        way: round((figures[many][way]["memory"] - figures[few][way]["memory"]) / more, 3)
        for way in ("bare", "product")
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
