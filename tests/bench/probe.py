"""What one look at a host costs the host: CPU of the probe, docker's client and engine included.

python -m tests.bench.probe [RELEASE HOST…] > figures.json
Without a release: that of the other benches, on the hosts that they use.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

from fleet.store.targets import load_host_target
from operations.host import probe as host_probe
from operations.host import scripts
from tests.bench import lab
from tests.bench.noop import right
from tests.lab import hosts, paths

TIMES, EACH = 7, 5


def main(release: str = lab.RELEASE, *names: str) -> None:
    if not names:
        names = tuple(lab.roots())
        right(list(names))
    wanted = load_host_target({"release": release, "store": paths.inside(paths.STORE)})
    text = host_probe.probe_arguments(wanted) + scripts.script_text("probe")
    figures = {}
    for name in names:
        hosts.run(name, "cat > /run/bench-probe.sh", given=text)
        runs: dict[str, list[tuple[float, float]]] = {"": [], "probe": []}
        for _ in range(TIMES):
            # what `docker exec` and its loop cost is measured as well, and taken off
            for way, command in (("", ":"), ("probe", "sh /run/bench-probe.sh > /dev/null")):
                before, began = lab.spent([name]), time.monotonic()
                hosts.run(name, f"for i in $(seq {EACH}); do {command}; done")
                took = time.monotonic() - began
                runs[way].append(((lab.spent([name]) - before) / EACH, took / EACH))
        base, probe = (
            [statistics.median(column) for column in zip(*runs[way], strict=True)] for way in runs
        )
        figures[name] = {
            "CPU ms": round((probe[0] - base[0]) * 1000),
            "wall ms": round((probe[1] - base[1]) * 1000),
        }
        hosts.run(name, "rm /run/bench-probe.sh")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
