"""Where a connection goes: what `~/.ssh/config` says of an address counts."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fleet.inventory import addresses

if TYPE_CHECKING:
    from paramiko import SSHConfig

#: hosts that it names one by one; of more, looking for each would take longer than it is worth:
#: that two names are one machine is seen again on the machine
MOST = 1000

#: what of a host's data says where it is
READ = ("ssh_hostname", "ssh_port", "ssh_config_file")


class Destination(NamedTuple):
    host: str
    port: int
    #: the jump host or command: what is behind one is not what is behind another
    by: str = ""


def address(name: str, said: Mapping[str, Any]) -> str:
    """The address in a host's data, which is its name where they have none.

    :raises ValueError: it is none
    """
    field = "ssh_hostname" if said.get("ssh_hostname") else "name"
    try:
        return addresses.checked(str(said.get("ssh_hostname") or name))
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from error


def shown(address: str, port: int) -> str:
    """Address and port, as people and programs write them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def claim(name: str, said: Mapping[str, Any], taken: dict[Destination, str]) -> None:
    """Note whose machine a host's data lead to.

    :raises ValueError: to another's, or to none
    """
    found = _destination(address(name, said), said)
    if (other := taken.setdefault(found, name)) != name:
        raise ValueError(f"one host with {other} ({shown(found.host, found.port)})")


def _destination(address: str, said: Mapping[str, Any]) -> Destination:
    given = said.get("ssh_port")
    port = int(given or 0) if re.fullmatch("[0-9]+", str(given or 0)) else -1
    if given is not None and not 1 <= port <= 65535:
        raise ValueError(f"ssh_port: {given!r} is none: 1 to 65535")
    config, named = _config(os.path.expanduser(str(said.get("ssh_config_file") or "~/.ssh/config")))
    if config is None or address not in named:
        return Destination(addresses.key(address), port or 22)
    found = config.lookup(address)
    by = found.get("proxycommand") or found.get("proxyjump") or ""
    host = addresses.key(found.get("hostname", address))
    return Destination(host, port or int(found.get("port", 22)), by)


@functools.lru_cache
def _config(path: str) -> tuple[SSHConfig | None, frozenset[str]]:
    """A file, and the hosts that it names without wildcards."""
    if not os.path.isfile(path):
        return None, frozenset()
    from paramiko import SSHException  # only where there is such a file: its import is slow
    from pyinfra.connectors.sshuserclient.client import get_ssh_config

    try:
        config = get_ssh_config(path)
    except (OSError, ValueError, SSHException) as error:
        raise ValueError(f"{path}: ssh's configuration cannot be read: {error}") from error
    names = config.get_hostnames() if config else set()
    named = frozenset(name for name in names if not set(name) & set("*?!"))
    return config, named if len(named) <= MOST else frozenset()
