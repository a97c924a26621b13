"""Hosts from a YAML or CSV file, validated before the first connection."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fleet import module_key
from fleet.documents import loading
from fleet.documents.field_errors import Location, find_line
from fleet.documents.loading import is_file
from fleet.errors import InvalidInput
from fleet.inventory import csv_table, ranges, ssh_config
from fleet.inventory.host_fields import Fleet, HostData, check_group
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.inventory.ssh_config import Destination
from fleet.inventory.ssh_transport import make_fast_transport
from fleet.store import targets

Entry = tuple[str, dict[str, Any]]
#: file and line of a field
FieldLocator = Callable[[Location], str]

#: as large as other files, 16 MiB, is what the most hosts may fill
SIZE_FACTOR = 8

#: wherever the inventory lies: pyinfra by itself takes any key of a host that it does not know
CONNECTION_DATA: dict[str, Any] = {
    "ssh_strict_host_key_checking": "yes",
    "ssh_paramiko_connect_kwargs": {"transport_factory": make_fast_transport},
}


@as_pyinfra_error()
def read(path: Path | str, defaults: Mapping[str, Any] | None = None) -> list[Entry]:
    """The hosts of a YAML or CSV file as pyinfra wants them, each checked with its release.

    Relative paths are relative to the current directory, as everywhere in pyinfra.

    :param defaults: of all hosts, where neither the file's own defaults nor the host say another
    :raises InvalidInput: naming file and line; nothing has been connected to
    """
    path = Path(path)
    read_data = csv_table.read_hosts if path.suffix.lower() == ".csv" else loading.read_mapping
    data, node = read_data(path, SIZE_FACTOR)
    fleet = loading.validate_document(Fleet, data, path, node)
    return entries(fleet, lambda where: f"{path}:{find_line(node, where)}", defaults)


@as_pyinfra_error()
def one_of(*paths: Path) -> Path:
    """The one of these files that is there.

    :raises InvalidInput: none is, or more than one: which one counts would be a guess
    """
    found = [path for path in paths if is_file(path)]
    if len(found) > 1:
        raise InvalidInput(f"{found[0]}:1: {found[1].name} is beside it: keep one of them")
    return found[0] if found else paths[0]


@as_pyinfra_error()
def entries(
    fleet: Fleet, place: FieldLocator, defaults: Mapping[str, Any] | None = None
) -> list[Entry]:
    """What pyinfra wants of a fleet, its ranges expanded."""
    given = loading.validate_document(
        HostData, dict(defaults or {}), Path("defaults of the inventory")
    )
    below = _merge_fields(given.explicit_fields(), fleet.defaults.explicit_fields())
    found: dict[str, dict[str, Any]] = {}
    owners: dict[str, str] = {}
    spelled: dict[str, str] = {}
    taken: dict[Destination, str] = {}
    for pattern, host in fleet.hosts.items():
        where = ("hosts", pattern)
        for expanded in ranges.expand_pattern(pattern):
            name = expanded.name
            if first := owners.get(name):
                raise InvalidInput(
                    f"{place(where)}: {name} (of {pattern}) is given twice, first "
                    f"in {place(('hosts', first))} (of {first})"
                )
            if len(found) == ranges.MAX_HOSTS:
                raise InvalidInput(f"{place(where)}: more than {ranges.MAX_HOSTS} hosts in all")
            try:
                own = (
                    ranges.fill_placeholders(host.explicit_fields(), expanded)
                    if expanded.bracket_values
                    else host.explicit_fields()
                )
                said = _merge_fields(below, own)
                _check_host(name, said)
                ssh_config.claim_destination(name, {**said.get("data", {}), **said}, taken)
            except ValueError as error:
                field = str(error).partition(":")[0]
                at = (*where, field) if field in host.model_fields_set else where
                raise InvalidInput(f"{place(at)}: {name}: {error}") from error
            if (other := spelled.setdefault(name.casefold(), name)) != name:
                raise InvalidInput(f"{place(where)}: {name} and {other} differ in case alone")
            owners[name] = pattern
            found[name] = {**CONNECTION_DATA, **said.pop("data", {}), **said}
            says = host.release is not None or host.releases
            _check_release(name, said, place, where if says else ("defaults",))
    for name, said in found.items():
        for group_name in said.get("groups", ()):
            if group_name in owners and group_name != name:
                raise InvalidInput(
                    f"{place(('hosts', owners[name]))}: {name}: its group "
                    f"{group_name} is a host: --limit would mean both"
                )
    return list(found.items())


def _merge_fields(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    # who says one release means not the several of everybody, and the other way round
    other = {"release": "releases", "releases": "release"}
    hidden = {other[key] for key in other if key in above}
    below = {key: value for key, value in below.items() if key not in hidden}
    return {**below, **above, "data": {**below.get("data", {}), **above.get("data", {})}}


def _check_host(name: str, said: dict[str, Any]) -> None:
    """:raises ValueError: what a range made is no address or group, or a file is missing"""
    address = ssh_config.find_address(name, said)
    if address != said.get("ssh_hostname", name):
        said["ssh_hostname"] = address
    for group_name in said.get("groups", ()):
        check_group(group_name)
    check_files(said)


def check_files(said: Mapping[str, Any]) -> None:
    """:raises ValueError: a file that a host's data name is not there"""
    for key in ("ssh_key", "ssh_known_hosts_file", "sudo_password_file", *module_key.DATA_KEYS):
        if said.get(key) and not is_file(os.path.expanduser(str(said[key]))):
            raise ValueError(f"{key}: no file {said[key]}")


def _check_release(name: str, said: dict[str, Any], place: FieldLocator, owner: Location) -> None:
    key = next((key for key in ("release", "releases") if said.get(key)), "")
    if not key:
        return
    try:
        targets.load_host_target(said)
    except InvalidInput as error:
        line = place((*owner, key))
        raise InvalidInput(f"{line}: release of {name}:\n{error}") from error


def group(entries: list[Entry], name: str) -> list[Entry]:
    """The hosts that say they are in a group."""
    return [entry for entry in entries if name in entry[1].get("groups", ())]


@as_pyinfra_error()
def grouped(entries: list[Entry], everyone: str = "fleet") -> dict[str, list[Entry]]:
    """All hosts and each of their groups, as the variables that pyinfra makes groups of.

    An inventory in Python says ``globals().update(grouped(read(...)))``. Groups are in the order
    of the file, after ``everyone``: where group data contradict, pyinfra takes the last.

    :raises InvalidInput: a host or a group of some has the name of the group of all
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        names = tuple(dict.fromkeys(entry[1].get("groups", ())))
        if {everyone, "all"} & {entry[0], *names}:
            taken = everyone if everyone in (entry[0], *names) else "all"
            raise InvalidInput(f"{entry[0]}: the name {taken} is already that of all hosts")
        for name in names:
            groups.setdefault(name, []).append(entry)
    return {everyone: entries, **groups}
