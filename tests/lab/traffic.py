"""What goes from this machine to hosts of the lab: counted, and no faster than a link would be."""

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import engine, hosts

#: none that the engines on the hosts take for themselves
SUBNET = "10.213.77.0/24"


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def _limit(device: str, mib: int) -> None:
    """Let no more than so many MiB/s out of a network device of this machine."""
    engine.install("tc", packages={"tc": "iproute2"})
    _run(
        "tc",
        "qdisc",
        "add",
        "dev",
        device,
        "root",
        "tbf",
        "rate",
        f"{mib * 8389}kbit",
        "burst",
        "512kb",
        "latency",
        "200ms",
    )


def counted(addresses: Iterable[str]) -> Callable[[], int]:
    """Begin to count the bytes that leave this machine for hosts.

    Args:
        addresses: of the hosts.

    Returns:
        What ends it, and returns the bytes.
    """
    rules = [("OUTPUT", "-d", address) for address in addresses]
    for rule in rules:
        _run("iptables", "-I", *rule)

    def end() -> int:
        table = _run("iptables", "-nvxL", "OUTPUT")
        sent = 0
        for rule in rules:
            _run("iptables", "-D", *rule)
            found = re.search(rf"^ *\d+ +(\d+) .*0\.0\.0\.0/0 +{rule[-1]} *$", table, re.M)
            assert found, table
            sent += int(found[1])
        return sent

    return end


def crossing(racks: dict[str, tuple[int, str]]) -> Callable[[], int]:
    """Begin to count the bytes that go from hosts of one rack to hosts of others.

    Args:
        racks: host -> its rack, and its address.

    Returns:
        What ends it, and returns the bytes.
    """
    counted = []
    for name, (rack, _) in racks.items():
        pid = engine.docker("inspect", "-f", "{{.State.Pid}}", hosts.PREFIX + name)
        inside = ("nsenter", "-t", pid, "-n", "iptables")
        _run(*inside, "-N", "CROSSING")
        for other, address in racks.values():
            if other != rack:
                _run(*inside, "-A", "CROSSING", "-d", address)
        _run(*inside, "-I", "OUTPUT", "-j", "CROSSING")
        counted.append(inside)

    def end() -> int:
        sent = 0
        for inside in counted:
            lines = _run(*inside, "-nvxL", "CROSSING").splitlines()[2:]
            sent += sum(int(line.split()[1]) for line in lines)
            for words in (
                ("-D", "OUTPUT", "-j", "CROSSING"),
                ("-F", "CROSSING"),
                ("-X", "CROSSING"),
            ):
                _run(*inside, *words)
        return sent

    return end


@contextmanager
def link(mib: int, names: Iterable[str]) -> Iterator[dict[str, str]]:
    """A second network for hosts, on which all that comes from this machine shares one link.

    Args:
        mib: MiB/s of that link.
        names: of the hosts.

    Yields:
        The address of each host there.
    """
    network, bridge = f"{hosts.PREFIX}link", f"{hosts.PREFIX}br"[-15:]
    names = list(names)
    option = f"com.docker.network.bridge.name={bridge}"
    engine.docker("network", "create", "--subnet", SUBNET, "-o", option, network)
    try:
        # between hosts nothing passes the bridge's own queue
        _limit(bridge, mib)
        for name in names:
            engine.docker("network", "connect", network, hosts.PREFIX + name)
        find = '{{(index .NetworkSettings.Networks "' + network + '").IPAddress}}'
        yield {name: engine.docker("inspect", "-f", find, hosts.PREFIX + name) for name in names}
    finally:
        for name in names:
            subprocess.run(
                ["docker", "network", "disconnect", "-f", network, hosts.PREFIX + name],
                capture_output=True,
            )
        engine.docker("network", "rm", network)


@contextmanager
def slow(mib: int, host: str) -> Iterator[None]:
    """All that comes to a host comes slowly, until the host reboots.

    Args:
        mib: MiB/s.
        host: its name.
    """
    index = hosts.run(host, "cat /sys/class/net/eth0/iflink")
    links = Path("/sys/class/net").glob("veth*/ifindex")
    device = next(link.parent.name for link in links if link.read_text().strip() == index)
    _limit(device, mib)
    try:
        yield
    finally:
        subprocess.run(["tc", "qdisc", "del", "dev", device, "root"], capture_output=True)
