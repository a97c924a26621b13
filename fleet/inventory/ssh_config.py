"""The machine that a connection leads to, according to `~/.ssh/config`."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fleet.inventory import addresses
from fleet.language import _

if TYPE_CHECKING:
    from paramiko import SSHConfig

#: bound of the hosts in the file that are looked up one by one; beyond it, two names of one machine
#: are found only on the machine itself
MAX_NAMED_HOSTS = 1000

#: fields of a host that its address depends on
ADDRESS_FIELDS = ("ssh_hostname", "ssh_port", "ssh_config_file")


class Destination(NamedTuple):
    """The machine that a connection leads to.

    Attributes:
        host: normalized address.
        port: TCP port.
        via: jump host or proxy command, because equal addresses behind two of them may differ.
    """

    host: str
    port: int
    via: str = ""


def find_address(name: str, data: Mapping[str, Any]) -> str:
    """Find the address of a host.

    Args:
        name: name of the host.
        data: data of the host.

    Returns:
        The normalized ``ssh_hostname``, or the name if that is not set.

    Raises:
        ValueError: it is not an address; the message begins with the name of the field.
    """
    field = "ssh_hostname" if data.get("ssh_hostname") else "name"
    try:
        return addresses.normalize_address(str(data.get("ssh_hostname") or name))
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from error


def format_address(address: str, port: int) -> str:
    """Format an address with its port.

    Args:
        address: IP address or name.
        port: TCP port.

    Returns:
        ``address:port``, with brackets around IPv6.
    """
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def claim_destination(name: str, data: Mapping[str, Any], claimed: dict[Destination, str]) -> None:
    """Record that a host is a machine, which no other host may be.

    Args:
        name: name of the host.
        data: data of the host.
        claimed: the host of each destination so far; the host is added.

    Raises:
        ValueError: another host is the same machine, or the address is invalid.
    """
    destination = _find_destination(find_address(name, data), data)
    owner = claimed.setdefault(destination, name)
    if owner != name:
        address = format_address(destination.host, destination.port)
        raise ValueError(
            _("the same machine as {owner} ({address}): remove one", owner=owner, address=address)
        )


def _find_destination(address: str, data: Mapping[str, Any]) -> Destination:
    given = data.get("ssh_port")
    port = int(given or 0) if re.fullmatch("[0-9]+", str(given or 0)) else -1
    if given is not None and not 1 <= port <= 65535:
        raise ValueError(_("ssh_port: {given!r} is not a port from 1 to 65535", given=given))
    file = os.path.expanduser(str(data.get("ssh_config_file") or "~/.ssh/config"))
    config, named = _load_config(file)
    if config is None or address not in named:
        return Destination(addresses.comparison_key(address), port or 22)
    options = config.lookup(address)
    via = options.get("proxycommand") or options.get("proxyjump") or ""
    host = addresses.comparison_key(options.get("hostname", address))
    return Destination(host, port or int(options.get("port", 22)), via)


@functools.lru_cache
def _load_config(path: str) -> tuple[SSHConfig | None, frozenset[str]]:
    """Load a file; return it with the hosts that it names without wildcards."""
    if not os.path.isfile(path):
        return None, frozenset()
    from paramiko import SSHException  # imported only if there is such a file, because it is slow
    from pyinfra.connectors.sshuserclient.client import get_ssh_config

    try:
        config = get_ssh_config(path)
    except (OSError, ValueError, SSHException) as error:
        raise ValueError(
            _("{path}: the SSH configuration cannot be read: {error}", path=path, error=error)
        ) from error
    names = config.get_hostnames() if config else set()
    named = frozenset(name for name in names if not set(name) & set("*?!"))
    return config, named if len(named) <= MAX_NAMED_HOSTS else frozenset()
