"""Hosts from a YAML file, validated before the first connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from fleet import documents, wanted
from fleet.failures import InvalidInput
from fleet.release import Model


class HostData(Model):
    """What can be said of one host, or as a default of all."""

    ssh_hostname: str | None = None
    ssh_port: int | None = Field(default=None, ge=1, le=65535)
    ssh_user: str | None = None
    ssh_key: str | None = None
    ssh_known_hosts_file: str | None = None
    #: file with the sudo password; it is never put into a command line
    sudo_password_file: str | None = None
    release: str | None = None
    store: str | None = None
    #: devices expected on the PCI bus (an X8 board has two)
    cards: int | None = Field(default=None, ge=1)
    evict: bool | None = None
    keep_dirty: bool | None = None
    smoke: str | None = Field(default=None, pattern="^(auto|always)$")
    #: seconds to wait for foreign jobs on the cards before a driver change; 0: refuse at once
    busy_timeout: int | None = Field(default=None, ge=0)
    #: seconds a reboot may take; servers with much memory need minutes
    reboot_timeout: int | None = Field(default=None, ge=10)
    #: seconds to wait for another package manager (unattended upgrades) to end
    lock_timeout: int | None = Field(default=None, ge=0)
    groups: tuple[str, ...] = ()
    #: anything else pyinfra or a site's own code wants to know
    data: dict[str, Any] = Field(default_factory=dict)


class Fleet(Model):
    defaults: HostData = HostData()
    hosts: dict[str, HostData] = Field(min_length=1)


Entry = tuple[str, dict[str, Any]]


def read(path: Path) -> list[Entry]:
    """The hosts of a YAML file as pyinfra wants them, each checked with its release.

    Relative paths are relative to the current directory, as everywhere in pyinfra.

    :raises InvalidInput: naming file and line; nothing has been connected to
    """
    data, node = documents.read(path)
    fleet = documents.validate(Fleet, data, path, node)
    entries: list[Entry] = []
    addresses: dict[tuple[str, int], str] = {}
    for name, host in fleet.hosts.items():
        line = documents.line_of(node, ("hosts", name))
        said = {
            **fleet.defaults.model_dump(exclude_none=True, exclude_defaults=True),
            **host.model_dump(exclude_none=True, exclude_defaults=True),
        }
        extra = {**fleet.defaults.data, **host.data}
        address = (str(said.get("ssh_hostname", name)), int(said.get("ssh_port", 22)))
        if address in addresses:
            raise InvalidInput(
                f"{path}:{line}: {name} and {addresses[address]} are one host "
                f"({address[0]}:{address[1]})"
            )
        addresses[address] = name
        for key in ("ssh_key", "ssh_known_hosts_file", "sudo_password_file"):
            if key in said and not Path(str(said[key])).expanduser().is_file():
                raise InvalidInput(f"{path}:{line}: {name}: {key}: no file {said[key]}")
        said.pop("data", None)
        entries.append((name, {**extra, **said}))
        if "release" in said:
            wanted.load(str(said["release"]), str(said.get("store", wanted.STORE)))
    return entries


def group(entries: list[Entry], name: str) -> list[Entry]:
    """The hosts that say they are in a group."""
    return [entry for entry in entries if name in entry[1].get("groups", ())]
