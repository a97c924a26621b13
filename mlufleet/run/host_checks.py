"""Checks of the hosts of an inventory that need no connection.

Each check looks at one thing and raises an error that names the problem and what to do;
:func:`check_hosts` adds the inventory and the host. The order matters where one check relies on
what an earlier one has made sure of: the fields are valid before anything reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.documents.loading import validate_document
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.text.sanitize import escape_line

if TYPE_CHECKING:
    from pyinfra.api import Host
    from pyinfra.api.inventory import Inventory

    from fleet.inventory.host_fields import HostData
    from fleet.inventory.ssh_config import Destination
    from fleet.release.target import HostTarget

#: Connectors of pyinfra that lead to the controller itself or to containers, which have no cards.
UNSUPPORTED_CONNECTORS = {
    f"{name}Connector" for name in ("Local", "Docker", "DockerSSH", "Podman", "PodmanSSH", "Chroot")
}


@dataclass(frozen=True)
class CheckedHost:
    """One host of an inventory, as far as it has been validated.

    Attributes:
        host: pyinfra's host; its data may have further fields of the site's own.
        fields: The fields that this project defines.
        destinations: Address of each host checked before, with its name; a second host at one
            address is an error.
    """

    host: Host
    fields: HostData
    destinations: dict[Destination, str]


def check_connector(entry: CheckedHost) -> None:
    """Reject connectors that do not lead to a server."""
    name = entry.host.connector_cls.__name__
    if name in UNSUPPORTED_CONNECTORS:
        raise InvalidInput(_("the connector {name} is not supported; use an SSH host", name=name))


def check_address(entry: CheckedHost) -> None:
    """Reject invalid names and logins, and addresses that another host has too."""
    from pyinfra.connectors.ssh import SSHConnector

    from fleet.inventory import addresses, ssh_config

    host = entry.host
    # a host of the vagrant or terraform connector is called "@vagrant/NAME"
    addresses.check_name(host.name[host.name[:1] == "@" and host.name.find("/") + 1 :])
    addresses.check_login(str(host.data.get("ssh_user") or "root"))
    if host.connector_cls is SSHConnector:  # others have their own kind of addresses
        data = {key: host.data.get(key) for key in ssh_config.ADDRESS_FIELDS}
        ssh_config.claim_destination(host.name, data, entry.destinations)


def check_local_files(entry: CheckedHost) -> None:
    """Reject paths of files on the controller that do not exist."""
    from fleet.inventory.host_file import check_files

    names = ("sudo_password_file", "ssh_known_hosts_file")
    check_files({name: entry.host.data.get(name) for name in names})


def check_baselines(entry: CheckedHost, target: HostTarget) -> None:
    """Reject an invalid baseline file if the vendor's suite will run, or a model is served.

    Args:
        entry: The host.
        target: Its desired state.
    """
    from fleet.vendor import validation_suite

    fields = entry.fields
    tests = validation_suite.load_tests(fields.validation or 0, fields.validation_tests or "")
    if tests or target.is_served:
        default = validation_suite.DEFAULT_BASELINE_FILE
        validation_suite.load_baselines(default if fields.golden is None else fields.golden)


def check_module_key(entry: CheckedHost) -> None:
    """Reject a key for signing kernel modules that cannot be used."""
    from fleet import module_key

    module_key.load_host_key(entry.fields.explicit_fields())


def check_ssh_key(entry: CheckedHost) -> None:
    """Reject an SSH private key that cannot be used without a prompt."""
    from mlufleet.connect import private_keys

    if name := entry.host.data.get("ssh_key"):
        private_keys.load(str(name), str(entry.host.data.get("ssh_key_password") or ""))


def check_usual_folders(entry: CheckedHost) -> None:
    """Reject an invalid table of the folders in which files may lie on a host."""
    from fleet.release import usual_folders

    usual_folders.load_paths()


#: The first that fails is the host's error.
CHECKS: tuple[Callable[[CheckedHost], None], ...] = (
    check_connector,
    check_address,
    check_local_files,
    check_module_key,
    check_ssh_key,
    check_usual_folders,
)


def check_hosts(inventory_name: str, inventory: Inventory) -> list[tuple[str, HostTarget]]:
    """Validate every host of an inventory, its releases, locks and store.

    Args:
        inventory_name: The inventory's file, for error messages.
        inventory: The hosts as pyinfra loaded them.

    Returns:
        The name and the desired state of each host, in the order of the inventory.

    Raises:
        InvalidInput: A host has invalid data, or its release cannot be deployed from its store.
    """
    from fleet.store.targets import load_host_target

    targets = []
    destinations: dict[Destination, str] = {}
    for host in inventory:
        entry = CheckedHost(host, _validate_fields(inventory_name, host), destinations)
        try:
            for check in CHECKS:
                check(entry)
            target = load_host_target(entry.fields.explicit_fields())
            check_baselines(entry, target)
            targets.append((host.name, target))
        except (InvalidInput, ValueError) as error:
            raise InvalidInput(f"{inventory_name}: {host.name}: {error}") from error
    return targets


def _validate_fields(inventory_name: str, host: Host) -> HostData:
    """Return the fields of a host that this project defines.

    Raises:
        InvalidInput: The name has an invisible character, a field is invalid, or there is no
            release.
    """
    from fleet.inventory import HostData

    if escape_line(host.name) != host.name:  # pyinfra prints it at the start of each line
        raise InvalidInput(
            _(
                "{path}: host name {host!r} contains a control or invisible "
                "character; rename the host",
                path=inventory_name,
                host=host.name,
            )
        )
    # pyinfra's own fields (ssh_*) and a site's further ones are not this project's to validate
    names = [name for name in HostData.model_fields if not name.startswith("ssh_")]
    data = {name: host.data.get(name) for name in names if name not in ("groups", "data")}
    data = {key: str(value) if isinstance(value, Path) else value for key, value in data.items()}
    fields = validate_document(HostData, data, Path(f"{inventory_name}: {host.name}"))
    if not (fields.release or fields.releases):
        raise InvalidInput(
            _(
                "{path}: {host} has no `release`; set `release` or `releases`",
                path=inventory_name,
                host=host.name,
            )
        )
    return fields
