"""The run that changes nothing over wires of several lengths, beside the bare client.

python -m tests.bench.rtt [COUNT [TIMES]] > figures.json
"""

from __future__ import annotations

import json
import sys

from tests.bench import delay, lab
from tests.bench.noop import pair, right

MILLISECONDS = (0, 5, 50)
FIRST_PORT = 24000


def main(count: int = 20, times: int = 5) -> None:
    names = lab.roots()
    right(names)
    ends = lab.places(names, count)
    ports = {FIRST_PORT + index: end for index, end in enumerate(ends)}
    figures = {}
    with lab.crowded(names):
        for milliseconds in MILLISECONDS:
            with delay.wires(milliseconds / 1000, ports):
                at = [("127.0.0.1", port) for port in ports]
                figures[str(milliseconds)] = pair(at, times, names)
    print(json.dumps({"hosts": count, "ms": figures}, indent=1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
