"""Lab hosts as the benches need them: many names for few hosts, and what those spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from tests.lab import engine, hosts, paths

RELEASE = f"{paths.inside(paths.RELEASES)}/light.yml"
FOLDER = paths.LAB / "bench"
KNOWN_HOSTS = FOLDER / "known_hosts"
#: one machine under many names is refused, and rightly: here each probe sees another name
UNAME = '#!/bin/sh\nset -- $(/bin/uname "$@")\nshift; echo "bench-$PPID $*"\n'
#: all connections come at once, and from one address
CROWD = "MaxStartups 2000\nPerSourceMaxStartups none\n"
#: all of these lead to a host's sshd: an inventory that names an address twice is refused
PORTS = range(3000, 4000)
RULE = f"PREROUTING -p tcp --dport {PORTS[0]}:{PORTS[-1]} -j REDIRECT --to-ports 22"


def roots() -> list[str]:
    """Hosts of the lab that root logs into, which take sudo for granted."""
    said = yaml.safe_load(paths.INVENTORY.read_text())["hosts"]
    return [name for name, data in said.items() if data["ssh_user"] == "root"]


@contextmanager
def crowded(names: list[str]) -> Iterator[None]:
    """These hosts take any number of logins, and each login sees a machine of its own."""
    with ExitStack() as stack:
        for name in names:
            stack.callback(
                hosts.run,
                name,
                "rm -f /usr/local/sbin/uname "
                f"/etc/ssh/sshd_config.d/bench.conf; systemctl reload ssh; "
                f"iptables -t nat -D {RULE}",
            )
            for file, text in (
                ("/usr/local/sbin/uname", UNAME),
                ("/etc/ssh/sshd_config.d/bench.conf", CROWD),
            ):
                hosts.run(name, f"cat > {file}; chmod 755 {file}", given=text)
            hosts.run(name, f"systemctl reload ssh && iptables -t nat -A {RULE}")
        yield


def places(names: list[str], count: int) -> list[tuple[str, int]]:
    """So many addresses and ports, which lead to these hosts in turn."""
    addresses = [hosts.address(name) for name in names]
    return [(addresses[i % len(names)], PORTS[i // len(names)]) for i in range(count)]


def inventory(names: list[str], at: list[tuple[str, int]], asked: int = 0) -> Path:
    """An inventory with an entry for each place; the places lead to these hosts in turn.

    :param asked: so many of them, the first, are asked for their proof again
    """
    said = yaml.safe_load(paths.INVENTORY.read_text())
    keys = {
        line.split()[0]: line.split(" ", 1)[1]
        for line in paths.KNOWN_HOSTS.read_text().splitlines()
    }
    entries, known = {}, {}
    for index, (where, port) in enumerate(at):
        data = dict(said["hosts"][names[index % len(names)]])
        known[f"[{where}]:{port}"] = keys[f"[127.0.0.1]:{data['ssh_port']}"]
        again = {"smoke": "always"} if index < asked else {}
        entries[f"bench{index:03d}"] = {**data, "ssh_hostname": where, "ssh_port": port, **again}
    FOLDER.mkdir(parents=True, exist_ok=True)
    KNOWN_HOSTS.write_text("".join(f"{host} {key}\n" for host, key in known.items()))
    defaults = {
        **said["defaults"],
        "release": RELEASE,
        "ssh_known_hosts_file": paths.inside(KNOWN_HOSTS),
    }
    (FOLDER / "fleet.yml").write_text(yaml.safe_dump({"defaults": defaults, "hosts": entries}))
    file = FOLDER / "fleet.py"
    file.write_text(
        "from pathlib import Path\n\nfrom fleet.inventory import grouped, read\n\n"
        'globals().update(grouped(read(Path(__file__).with_name("fleet.yml")), "bench"))\n'
    )
    (FOLDER / "group_data").mkdir(exist_ok=True)
    (FOLDER / "group_data/all.py").write_text(Path("inventories/group_data/all.py").read_text())
    return file


def spent(names: list[str]) -> float:
    """CPU seconds of these hosts since they began, by their control groups."""
    total = 0.0
    for name in names:
        identity = engine.docker("inspect", "--format", "{{.Id}}", hosts.PREFIX + name)
        for base in ("/sys/fs/cgroup/cpuacct/mlulab", "/sys/fs/cgroup/mlulab"):
            group = Path(base) / identity
            if (group / "cpuacct.usage").exists():
                total += int((group / "cpuacct.usage").read_text()) / 1e9
            elif (group / "cpu.stat").exists():
                said = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
                total += int(said.get("usage_usec", 0)) / 1e6
    return total
