"""A network namespace that reaches one lab host and nothing else: no route, no DNS."""

import ipaddress
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import engine, hosts


@contextmanager
def only(address: str) -> Iterator[str]:
    """A namespace on docker's bridge whose only route is to one address.

    Args:
        address: of a lab host, as :func:`tests.lab.hosts.address` has it.

    Yields:
        The namespace's name, for ``ip netns exec``.
    """
    engine.install("ip", packages={"ip": "iproute2"})
    name = f"{hosts.PREFIX}apart"
    # an interface's name has 15 characters at most
    outer, inner = f"apart{os.getpid() % 10**6}a", f"apart{os.getpid() % 10**6}b"
    (config,) = json.loads(engine.docker("network", "inspect", "bridge"))
    subnet = ipaddress.ip_network(config["IPAM"]["Config"][0]["Subnet"])
    # docker gives addresses from the beginning
    own = str(subnet.broadcast_address - 1 - os.getpid() % 200)
    files = Path("/etc/netns") / name
    try:
        files.mkdir(parents=True, exist_ok=True)
        (files / "resolv.conf").write_text("")
        _ip("netns", "add", name)
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        _ip("link", "set", outer, "master", "docker0", "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("link", "set", inner, "up"),
            ("address", "add", f"{own}/32", "dev", inner),
            ("route", "add", f"{address}/32", "dev", inner),
        ):
            _ip("-n", name, *words)
        yield name
    finally:
        # the pair goes with its end in the namespace
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)
        (files / "resolv.conf").unlink(missing_ok=True)
        files.rmdir()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
