"""What a larger fleet would take, from what was measured: the tables of docs/distribution.md.

python -m tests.bench.larger
"""

from __future__ import annotations

import json
import statistics
from typing import Any

from fleet.checksum import torrent
from tests.bench.chart import DOCS

#: bytes of image and weights; of the swarm's client; a piece
FILES, CLIENT, PIECE = 20e9, 12.6e6, torrent.PIECE_BYTES
#: bytes a second of a link, less what Ethernet, IP and TCP take; what a host writes and sums
LINKS = {"1 GbE": 117e6, "10 GbE": 1170e6}
DISK = 0.5e9
FLEETS = (100, 1000)


def twice(figures: dict[str, Any]) -> float:
    """Pieces that the controller gives a second time, for each host of a swarm but one: the last
    ones are asked for by several. Their number does not grow with the file."""
    pieces = figures["bytes"] / PIECE
    return statistics.median(
        (run["sent"] - 1) * pieces / (run["hosts"] - 1)
        for run in figures["runs"]
        if run["way"] == "swarm" and run["hosts"] > 1
    )


def start(figures: dict[str, Any]) -> float:
    """Seconds of a swarm that are neither the file's nor those pieces'."""
    rate, more = figures["MiB/s"] << 20, twice(figures) * PIECE
    return statistics.median(
        run["seconds"] - (figures["bytes"] + more * (run["hosts"] - 1)) / rate
        for run in figures["runs"]
        if run["way"] == "swarm"
    )


def one_by_one(hosts: int, link: float, process: float) -> float:
    """Seconds by SSH. :param process: bytes a second that one controller process encrypts"""
    return hosts * FILES / min(link, process)


def swarm(hosts: int, link: float, figures: dict[str, Any]) -> float:
    given = FILES + twice(figures) * PIECE * (hosts - 1)
    return max(given / link, FILES / min(link, DISK)) + start(figures)


def told(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"


def table(figures: dict[str, Any]) -> str:
    process = figures["SSH MiB a CPU second"] * 2**20
    rows = [
        "| S = 20 GB | SSH | swarm | from the controller | the client, once |",
        "|---|---|---|---|---|",
    ]
    for name, link in LINKS.items():
        for hosts in FLEETS:
            sent = 1 + twice(figures) * PIECE * (hosts - 1) / FILES
            rows.append(
                f"| {hosts} hosts, {name} | {told(one_by_one(hosts, link, process))} | "
                f"{told(swarm(hosts, link, figures))} | {sent:.2f} S | "
                f"{told(hosts * CLIENT / link)} |"
            )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(json.loads((DOCS / "distribution.json").read_text())), end="")
