"""One file to more and more lab hosts: by SFTP, by SSH, by a swarm; time, and controller's bytes.

python -m tests.bench.distribution [HOSTS,HOSTS…] > docs/distribution.json

Every host takes and gives RATE MiB/s, and so does the controller. The swarm's client lies on the
hosts already (12.6 MB each, once).
"""

from gevent import monkey

monkey.patch_all()  # as pyinfra does

import hashlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
from pyinfra.api import Config, Host, State  # noqa: E402
from pyinfra.api.connect import connect_all, disconnect_all  # noqa: E402
from pyinfra.context import ctx_state  # noqa: E402

from fleet.inventory.loading import load  # noqa: E402
from operations import connection, sending, swarm  # noqa: E402
from operations.transfer import INCOMING  # noqa: E402
from tests.lab import engine, traffic, up  # noqa: E402
from tests.lab import hosts as lab  # noqa: E402
from tests.lab.fleet import fleet  # noqa: E402

SIZE, RATE = 200 << 20, 20
PART = "bench.part"
Way = Callable[[Host, Path, str], None]


def sftp(host: Host, file: Path, sha: str) -> None:
    assert host.put_file(str(file), f"{INCOMING}/{PART}")


def ssh(host: Host, file: Path, sha: str) -> None:
    said = sending.send(host, file, f"{INCOMING}/{PART}", [(0, SIZE)], sending.Meter(SIZE))
    assert not said, said


def by_swarm(host: Host, file: Path, sha: str) -> None:
    said = swarm.fill(host, file, sha, PART, 0, sending.Meter(SIZE))
    assert not said, said


WAYS: dict[str, Way] = {"files.put": sftp, "SSH stream": ssh, "swarm": by_swarm}


def ready(host: Host) -> None:
    user = host.data.get("ssh_user")
    lab.run(host.name, f"mkdir -p {INCOMING} {Path(swarm.client()[1]).parent}; "
                       f"chmod 755 {Path(INCOMING).parent}; rm -f {INCOMING}/*; "
                       f"chown {user} {INCOMING}; chmod 700 {INCOMING}")  # fmt: skip
    local, dest, _ = swarm.client()
    engine.docker("cp", str(local), f"{lab.PREFIX}{host.name}:{dest}")


def measured(hosts: list[Host], way: str) -> dict[str, object]:
    """Bring a new file to all of them."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content := os.urandom(SIZE))
        file.flush()
        sha = hashlib.sha256(content).hexdigest()
        for host in hosts:
            ready(host)
            swarm.wants(host.name, {sha})
        names = [host.name for host in hosts]
        with traffic.uplink(RATE, names):
            count, begin = traffic.counted(names), time.monotonic()
            jobs = [gevent.spawn(WAYS[way], host, Path(file.name), sha) for host in hosts]
            gevent.joinall(jobs, raise_error=True)
            seconds, sent = time.monotonic() - begin, count()
        sums = {lab.run(name, f"sha256sum < {INCOMING}/{PART}") for name in names}
        assert sums == {f"{sha}  -"}, sums
        for name in names:
            swarm.served(name, sha)
    found = {"way": way, "hosts": len(hosts), "seconds": round(seconds, 1),
             "sent": round(sent / SIZE, 2)}  # fmt: skip
    print(found, file=sys.stderr, flush=True)
    return found


def main(counts: list[int]) -> None:
    up.up(max(counts))
    inventory = load("inventories/lab.py", {"swarm_rate": RATE, "swarm_seed_rate": RATE})
    state = State(inventory, Config())
    ctx_state.set(state)
    hosts = [inventory.get_host(one.name) for one in fleet(max(counts))]
    for host in hosts:
        state.activate_host(host)
    connect_all(state)
    for host in hosts:
        connection.prepare(host)
    runs = [measured(hosts[:count], way) for count in counts for way in WAYS]
    disconnect_all(state)
    print(json.dumps({"bytes": SIZE, "MiB/s": RATE, "runs": runs}, indent=1))


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else "1,4,8"
    main([int(count) for count in given.split(",")])
