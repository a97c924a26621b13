"""What goes from this machine to hosts of the lab: counted, and no faster than a link would be."""

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tests.lab import engine, hosts

BRIDGE = "docker0"


def address(host: str) -> str:
    """A host's address on the lab's network."""
    find = "{{.NetworkSettings.IPAddress}}"
    return engine.docker("inspect", "-f", find, hosts.PREFIX + host)


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def counted(names: Iterable[str]) -> Callable[[], int]:
    """Begin to count the bytes that leave this machine for hosts.

    Args:
        names: of the hosts.

    Returns:
        What ends it, and returns the bytes.
    """
    rules = [("OUTPUT", "-d", address(name)) for name in names]
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


@contextmanager
def uplink(mib: int, names: Iterable[str]) -> Iterator[None]:
    """Hosts share one link from this machine; what others get from it is not slowed.

    Args:
        mib: MiB/s of that link.
        names: of the hosts.
    """
    dev = ("dev", BRIDGE)
    _run("tc", "qdisc", "add", *dev, "root", "handle", "77:", "prio", "bands", "3", "priomap",
         *["0"] * 16)  # fmt: skip
    try:
        _run("tc", "qdisc", "add", *dev, "parent", "77:3", "tbf", "rate", f"{mib * 8389}kbit",
             "burst", "512kb", "latency", "200ms")  # fmt: skip
        for name in names:
            _run("tc", "filter", "add", *dev, "parent", "77:", "protocol", "ip", "u32", "match",
                 "ip", "dst", f"{address(name)}/32", "flowid", "77:3")  # fmt: skip
        yield
    finally:
        _run("tc", "qdisc", "del", *dev, "root")
