"""One file to more and more lab hosts: by SFTP, by SSH, by a swarm; time, and controller's bytes.

python -m tests.bench.distribution [HOSTS,HOSTS… [MIB [RATE [WAY…]]]] > docs/distribution.json

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
from itertools import islice  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
import yaml  # noqa: E402
from pyinfra.api import Config, Host, State  # noqa: E402
from pyinfra.api.connect import connect_all  # noqa: E402
from pyinfra.context import ctx_state  # noqa: E402

from fleet.checksum import torrent  # noqa: E402
from fleet.inventory.pyinfra_loader import load_inventory  # noqa: E402
from operations.host import connection  # noqa: E402
from operations.transfer import ssh_stream, swarm  # noqa: E402
from operations.transfer.upload import INCOMING_DIR  # noqa: E402
from tests.lab import engine, paths, traffic, up  # noqa: E402
from tests.lab import hosts as lab  # noqa: E402
from tests.lab.fleet import fleet, names  # noqa: E402

#: bytes of the file; MiB/s of each link: as much as two cores carry for eight hosts
SIZE, RATE = 120 << 20, 8
PART = "bench.part"
Way = Callable[[Host, Path, str], None]


def sftp(host: Host, file: Path, sha: str) -> None:
    assert host.put_file(str(file), f"{INCOMING_DIR}/{PART}")


def ssh(host: Host, file: Path, sha: str) -> None:
    said = ssh_stream.write_ranges(
        host, file, f"{INCOMING_DIR}/{PART}", [(0, SIZE)], ssh_stream.TransferProgress(SIZE)
    )
    assert not said, said


def by_swarm(host: Host, file: Path, sha: str) -> None:
    said = swarm.swarms(host).fill(host, file, sha, PART, 0, ssh_stream.TransferProgress(SIZE))
    assert not said, said


WAYS: dict[str, Way] = {"files.put": sftp, "SSH stream": ssh, "swarm": by_swarm}


def ready(host: Host) -> None:
    user = host.data.get("ssh_user")
    lab.run(
        host.name,
        f"mkdir -p {INCOMING_DIR} {Path(swarm.aria2_file()[1]).parent}; "
        # each host of a fleet has a disk of its own, those of the lab would share one
        f"mountpoint -q {INCOMING_DIR} || mount -t tmpfs -o size=3g bench {INCOMING_DIR}; "
        f"chmod 755 {Path(INCOMING_DIR).parent}; rm -f {INCOMING_DIR}/*; "
        f"chown {user} {INCOMING_DIR}; chmod 700 {INCOMING_DIR}",
    )
    local, dest, _ = swarm.aria2_file()
    engine.docker("cp", str(local), f"{lab.PREFIX}{host.name}:{dest}")


def measured(hosts: list[Host], way: str, addresses: dict[str, str]) -> dict[str, object]:
    """Bring a new file to all of them."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content := os.urandom(SIZE))
        file.flush()
        sha = hashlib.sha256(content).hexdigest()
        for host in hosts:
            ready(host)
            swarm.swarms(host).register_demand(host.name, {sha})
        begin = time.monotonic()
        if way == "swarm":  # a run does this while its hosts have other work
            torrent.load_or_create(Path(file.name), sha)
        prepared = time.monotonic() - begin
        there = [host.name for host in hosts]
        count, begin = traffic.counted(addresses[name] for name in there), time.monotonic()
        jobs = [gevent.spawn(WAYS[way], host, Path(file.name), sha) for host in hosts]
        gevent.joinall(jobs, raise_error=True)
        seconds, sent = time.monotonic() - begin, count()
        sums = {lab.run(name, f"sha256sum < {INCOMING_DIR}/{PART}") for name in there}
        assert sums == {f"{sha}  -"}, sums
        for host in hosts:
            swarm.swarms(host).host_done(host.name, sha)
    found = {
        "way": way,
        "hosts": len(hosts),
        "torrent": round(prepared, 1),
        "seconds": round(seconds, 1),
        "S/B": round(seconds * (RATE << 20) / SIZE, 2),
        "sent": round(sent / SIZE, 2),
    }
    print(found, file=sys.stderr, flush=True)
    return found


def connected(addresses: dict[str, str], folder: Path) -> list[Host]:
    """The hosts, by their addresses on the slow link."""
    document = yaml.safe_load(paths.INVENTORY.read_text())
    keys = paths.KNOWN_HOSTS.read_text().splitlines()
    known = []
    for name, said in document["hosts"].items():
        (key,) = [line.split(" ", 1)[1] for line in keys if f":{said['ssh_port']} " in line]
        if name in addresses:
            known.append(f"{addresses[name]} {key}\n")
            said.update(ssh_hostname=addresses[name], ssh_port=22)
    document["hosts"] = {name: document["hosts"][name] for name in addresses}
    (folder / "known").write_text("".join(known))
    document["defaults"]["ssh_known_hosts_file"] = str(folder / "known")
    (folder / "hosts.yml").write_text(yaml.safe_dump(document))
    (folder / "hosts.py").write_text(
        "from pathlib import Path\nfrom fleet import inventory\n"
        f"hosts = inventory.read(Path({str(folder / 'hosts.yml')!r}))\n"
    )
    inventory = load_inventory(
        str(folder / "hosts.py"), {"swarm_rate": RATE, "swarm_seed_rate": RATE}
    )
    state = State(inventory, Config())
    ctx_state.set(state)
    hosts = [inventory.get_host(name) for name in addresses]
    for host in hosts:
        state.activate_host(host)
    connect_all(state)
    assert all(host.connected for host in hosts), [host.name for host in hosts]
    for host in hosts:
        connection.adapt_connector(host)
    return hosts


def leave(hosts: list[Host]) -> None:
    """Leave hosts as they were."""
    for host in hosts:
        connection.close(host)
        lab.run(host.name, f"umount {INCOMING_DIR}")


def roots(count: int) -> tuple[list[str], int]:
    """So many hosts that are logged in to as root, and the size of a lab that has them."""
    # SFTP, for one, does not get past the banner of the others
    fitting = (place for place, one in enumerate(names(), 1) if one.kind.user == "root")
    size = list(islice(fitting, count))[-1]
    return [one.name for one in fleet(size) if one.kind.user == "root"], size


def main(counts: list[int], ways: list[str]) -> None:
    hosts_there, size = roots(max(counts))
    up.up(size)
    with tempfile.TemporaryDirectory() as folder, traffic.link(RATE, hosts_there) as addresses:
        hosts = connected(addresses, Path(folder))
        runs = [measured(hosts[:count], way, addresses) for way in ways for count in counts]
        leave(hosts)
    print(json.dumps({"bytes": SIZE, "MiB/s": RATE, "runs": runs}, indent=1))


if __name__ == "__main__":
    hosts, mib, rate, *ways = [*sys.argv[1:], *("1,4,8", "120", "8")[len(sys.argv) - 1 :]]
    SIZE, RATE = int(mib) << 20, int(rate)
    main([int(count) for count in hosts.split(",")], ways or list(WAYS))
