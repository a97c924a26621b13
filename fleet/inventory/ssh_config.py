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
MAX_NAMED_HOSTS = 1000

#: what of a host's data says where it is
ADDRESS_FIELDS = ("ssh_hostname", "ssh_port", "ssh_config_file")


class Destination(NamedTuple):
    host: str
    port: int
    #: the jump host or command: what is behind one is not what is behind another
    via: str = ""


def find_address(name: str, data: Mapping[str, Any]) -> str:
    """The address in a host's data, which is its name where they have none.

    :raises ValueError: it is none
    """
    field = "ssh_hostname" if data.get("ssh_hostname") else "name"
    try:
        return addresses.normalize_address(str(data.get("ssh_hostname") or name))
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from error


def format_address(address: str, port: int) -> str:
    """Address and port, as people and programs write them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def claim_destination(name: str, data: Mapping[str, Any], claimed: dict[Destination, str]) -> None:
    """Note whose machine a host's data lead to.

    :raises ValueError: to another's, or to none
    """
    found = _find_destination(find_address(name, data), data)
    if (other := claimed.setdefault(found, name)) != name:
        raise ValueError(f"one host with {other} ({format_address(found.host, found.port)})")


def _find_destination(address: str, said: Mapping[str, Any]) -> Destination:
    given = said.get("ssh_port")
    port = int(given or 0) if re.fullmatch("[0-9]+", str(given or 0)) else -1
    if given is not None and not 1 <= port <= 65535:
        raise ValueError(f"ssh_port: {given!r} is none: 1 to 65535")
    config, named = _load_config(
        os.path.expanduser(str(said.get("ssh_config_file") or "~/.ssh/config"))
    )
    if config is None or address not in named:
        return Destination(addresses.comparison_key(address), port or 22)
    found = config.lookup(address)
    by = found.get("proxycommand") or found.get("proxyjump") or ""
    host = addresses.comparison_key(found.get("hostname", address))
    return Destination(host, port or int(found.get("port", 22)), by)


@functools.lru_cache
def _load_config(path: str) -> tuple[SSHConfig | None, frozenset[str]]:
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
    return config, named if len(named) <= MAX_NAMED_HOSTS else frozenset()
