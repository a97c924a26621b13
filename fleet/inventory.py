"""Hosts from a YAML file, validated before the first connection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from fleet import documents, wanted
from fleet.documents import is_file
from fleet.failures import InvalidInput
from fleet.fields import line_of
from fleet.shapes import Bool, Int, Model, like
from fleet.transports import quick


class HostData(Model):
    """What can be said of one host, or as a default of all."""

    ssh_hostname: str | None = None
    ssh_port: Int | None = Field(default=None, ge=1, le=65535)
    ssh_user: str | None = None
    ssh_key: str | None = None
    ssh_known_hosts_file: str | None = None
    #: file with the sudo password; it is never put into a command line
    sudo_password_file: str | None = None
    release: str | None = None
    store: str | None = None
    #: devices expected on the PCI bus (an X8 board has two)
    cards: Int | None = Field(default=None, ge=1)
    evict: Bool | None = None
    keep_dirty: Bool | None = None
    smoke: Literal["auto", "always"] | None = None
    #: seconds to wait for foreign jobs on the cards before a driver change; 0: refuse at once
    busy_timeout: Int | None = Field(default=None, ge=0)
    #: seconds a reboot may take; servers with much memory need minutes
    reboot_timeout: Int | None = Field(default=None, ge=10)
    #: seconds to wait for another package manager (unattended upgrades) to end
    lock_timeout: Int | None = Field(default=None, ge=0)
    groups: tuple[str, ...] = ()
    #: anything else pyinfra or a site's own code wants to know
    data: dict[str, Any] = Field(default_factory=dict)

    @field_validator("data")
    @classmethod
    def _not_a_field(cls, data: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(cls.model_fields.keys() & data.keys()):
            raise ValueError(f"{name} is a field of the host: write it beside `data`, not in it")
        return data


#: pyinfra prints it between brackets
HostName = Annotated[str, like(r"[^\s\[\]\x00-\x1f\x7f]+", "a host name: no blanks, no brackets")]


class Fleet(Model):
    defaults: HostData = HostData()
    hosts: dict[HostName, HostData] = Field(min_length=1)


Entry = tuple[str, dict[str, Any]]

#: wherever the inventory lies: pyinfra by itself takes any key of a host that it does not know
CONNECTING: dict[str, Any] = {
    "ssh_strict_host_key_checking": "yes",
    "ssh_paramiko_connect_kwargs": {"transport_factory": quick},
}


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
        line = line_of(node, ("hosts", name))
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
            if key in said and not is_file(os.path.expanduser(said[key])):
                raise InvalidInput(f"{path}:{line}: {name}: {key}: no file {said[key]}")
        said.pop("data", None)
        entries.append((name, {**CONNECTING, **extra, **said}))
        if "release" in said:
            owner = ("hosts", name) if host.release is not None else ("defaults",)
            line = line_of(node, (*owner, "release"))
            try:
                wanted.load(said["release"], said.get("store", wanted.STORE))
            except InvalidInput as error:
                raise InvalidInput(f"{path}:{line}: release of {name}:\n{error}") from error
    return entries


def group(entries: list[Entry], name: str) -> list[Entry]:
    """The hosts that say they are in a group."""
    return [entry for entry in entries if name in entry[1].get("groups", ())]
