"""How much of a swarm's traffic crosses from one rack to another, with and without their names.

python -m tests.bench.racks [HOSTS [MIB [RATE]]] > docs/racks.json

Half of the hosts stand in each of two racks. Bytes are those that a host's own kernel counted on
their way to hosts of the other rack.
"""

from gevent import monkey

monkey.patch_all()  # as pyinfra does

import json  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

from operations.transfer import swarm  # noqa: E402
from tests.bench import distribution as bench  # noqa: E402
from tests.lab import traffic, up  # noqa: E402


def main(count: int) -> None:
    names = bench.roots(count)
    up.up(names[1])
    runs = []
    with (
        tempfile.TemporaryDirectory() as folder,
        traffic.link(bench.RATE, names[0]) as addresses,
    ):
        hosts = bench.connected(addresses, Path(folder))
        racks = {host.name: (n % 2, addresses[host.name]) for n, host in enumerate(hosts)}
        for known in (False, True):
            swarm.swarms(hosts[0]).trackers.clear()  # a host's rack is told once in a run
            for host in hosts:
                host.data.rack = f"rack{racks[host.name][0]}" if known else None
            crossed = traffic.crossing(racks)
            run = bench.measured(hosts, "swarm", addresses)
            runs.append({**run, "racks": known, "crossed": round(crossed() / bench.SIZE, 2)})
            print(runs[-1], file=sys.stderr, flush=True)
        bench.leave(hosts)
    print(json.dumps({"bytes": bench.SIZE, "MiB/s": bench.RATE, "runs": runs}, indent=1))


if __name__ == "__main__":
    given, mib, rate = [*sys.argv[1:], *("12", "256", "12")[len(sys.argv) - 1 :]]
    bench.SIZE, bench.RATE = int(mib) << 20, int(rate)
    main(int(given))
