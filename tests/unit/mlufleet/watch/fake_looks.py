"""A look process without hosts: what it sees is in a file. python fake_looks.py WORLD

The file has, as JSON: "hosts" (host -> groups), "invalid" (why it cannot begin), "seen" (host ->
what an observation has beside its times; "nothing" for none, "hang" for no end of the round either,
"die" to end the process). Each look appends its host to WORLD.looks.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from mlufleet.watch.look_messages import Observed, Ready, RoundEnded, decode_round, encode_message
from mlufleet.watch.observation import SEEN, Observation

HOSTS: dict[str, list[str]] = {"one": ["rack1"], "two": []}


def write_world(path: Path, **world: Any) -> Path:
    """Say what is to be seen from the next look on."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"hosts": HOSTS, "invalid": "", "seen": {}, "limit": 60, **world}))
    new.rename(path)
    return path


def list_looks(path: Path) -> list[str]:
    """The hosts that were looked at so far."""
    file = path.with_suffix(".looks")
    return file.read_text().split() if file.exists() else []


def send(message: Any) -> None:
    os.write(1, encode_message(message))


def main(path: Path) -> None:
    world = json.loads(path.read_text())
    if world["invalid"]:
        print(world["invalid"], file=sys.stderr)
        sys.exit(3)
    send(Ready(world["hosts"], world["limit"], world.get("modes", {})))
    for line in sys.stdin.buffer:
        wanted, seen = decode_round(line), json.loads(path.read_text())["seen"]
        ends = True
        for host in wanted.hosts:
            with path.with_suffix(".looks").open("a") as file:
                file.write(f"{host}\n")
            what = seen.get(host, {})
            if what == "die":
                os._exit(9)
            if what == "hang":
                ends = False
            elif what != "nothing":
                now = time.time()
                given = {"outcome": SEEN, "boot_id": "a", **what}
                found = {"host": host, "began": now, "ended": now, **given}
                send(Observed(wanted.number, Observation.from_fields(found)))
        if ends:
            send(RoundEnded(wanted.number))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
