"""Hosts from a YAML file, a CSV table or a workbook, validated before the first connection."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fleet import module_key
from fleet.documents import loading
from fleet.documents.field_errors import Location, find_place
from fleet.documents.loading import is_file
from fleet.errors import InvalidInput
from fleet.inventory import csv_table, ranges, ssh_config, workbook
from fleet.inventory.file_formats import TABLE_SUFFIXES, WORKBOOK_SUFFIXES
from fleet.inventory.host_fields import Fleet, HostData, check_group
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.inventory.ranges import ExpandedName
from fleet.inventory.ssh_config import Destination
from fleet.inventory.ssh_transport import make_fast_transport
from fleet.language import _, english, text_of
from fleet.registry.host_access import FILE_KEYS
from fleet.store import targets
from fleet.text import word_lists

#: name and data of a host, as pyinfra expects them in an inventory
Entry = tuple[str, dict[str, Any]]
#: returns file and line of a field
FieldLocator = Callable[[Location], str]

#: bound of an inventory, relative to other files: 16 MiB, as the largest number of hosts may need
SIZE_FACTOR = 8

#: set for every host, in whichever folder the inventory is: pyinfra accepts unknown host keys
CONNECTION_DATA: dict[str, Any] = {
    "ssh_strict_host_key_checking": "yes",
    "ssh_paramiko_connect_kwargs": {"transport_factory": make_fast_transport},
}


@as_pyinfra_error()
def load_hosts(path: Path | str, defaults: Mapping[str, Any] | None = None) -> list[Entry]:
    """Load the hosts of a YAML file, a table or a workbook for pyinfra, without a connection.

    Args:
        path: the file; relative paths in it are relative to the current directory, as everywhere in
            pyinfra.
        defaults: fields of all hosts that neither the file's own defaults nor a host sets (default:
            none).

    Returns:
        An entry for each host, with its ranges expanded and its release checked.

    Raises:
        InvalidInput: the file is invalid; the message names file and line, or file and cell.
    """
    path = Path(path)
    data, node = read_document(path)
    fleet = loading.validate_document(Fleet, data, path, node)
    return build_entries(fleet, lambda field: find_place(path, node, field), defaults)


def read_document(path: Path) -> tuple[dict[str, Any], yaml.Node]:
    """Read a list of hosts of any kind as if it were YAML, without a look at its values.

    Args:
        path: the file.

    Returns:
        The document, and a node tree from which the place of each field can be found.

    Raises:
        InvalidInput: the file cannot be read; the message names file and line.
    """
    if path.suffix.lower() in TABLE_SUFFIXES:
        return csv_table.read_hosts(path, SIZE_FACTOR)
    if path.suffix.lower() in WORKBOOK_SUFFIXES:
        return workbook.read_hosts(path, SIZE_FACTOR)
    return loading.read_mapping(path, SIZE_FACTOR)


@as_pyinfra_error()
def find_inventory_file(*paths: Path) -> Path:
    """Find the only file that exists.

    Args:
        *paths: candidates, the usual one first.

    Returns:
        The file, or the first candidate if there is none.

    Raises:
        InvalidInput: several of them exist.
    """
    found = [path for path in paths if is_file(path)]
    if len(found) > 1:
        names = word_lists.join_pair(path.name for path in found)
        raise InvalidInput(
            _("{path}:1: {names} exist both: remove one", path=found[0], names=names)
        )
    return found[0] if found else paths[0]


@as_pyinfra_error()
def build_entries(
    fleet: Fleet, locate: FieldLocator, defaults: Mapping[str, Any] | None = None
) -> list[Entry]:
    """Build the entries of a fleet for pyinfra.

    Args:
        fleet: hosts and defaults.
        locate: returns file and line of a field.
        defaults: fields of all hosts that the fleet does not set (default: none).

    Returns:
        An entry for each expanded host.

    Raises:
        InvalidInput: hosts are invalid or contradict each other.
    """
    given = loading.validate_document(
        HostData, dict(defaults or {}), Path(_("defaults of the inventory"))
    )
    builder = _EntryBuilder(
        locate,
        _merge_fields(given.explicit_fields(), fleet.defaults.explicit_fields()),
        fleet.defaults.model_fields_set,
    )
    for pattern, host in fleet.hosts.items():
        for expanded in ranges.expand_pattern(pattern):
            builder.add_host(pattern, host, expanded)
    builder.check_groups()
    return list(builder.entries.items())


class _EntryBuilder:
    """Collects the hosts of a fleet, and checks each against those before it."""

    def __init__(
        self, locate: FieldLocator, defaults: dict[str, Any], written_defaults: set[str]
    ) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self._locate, self._defaults = locate, defaults
        self._written_defaults = written_defaults
        self._patterns: dict[str, str] = {}
        self._names_by_folded: dict[str, str] = {}
        self._claimed: dict[Destination, str] = {}

    def add_host(self, pattern: str, host: HostData, expanded: ExpandedName) -> None:
        name, owner = expanded.name, ("hosts", pattern)
        self._check_new(name, pattern)
        try:
            fields = host.explicit_fields()
            if expanded.bracket_values:
                fields = ranges.fill_placeholders(fields, expanded)
            fields = _merge_fields(self._defaults, fields)
            _check_host(name, fields)
            data = {**fields.get("data", {}), **fields}
            ssh_config.claim_destination(name, data, self._claimed)
        except ValueError as error:
            field = english(text_of(error)).partition(":")[0]
            place = self._locate(self._find_owner(owner, host, field))
            raise InvalidInput(f"{place}: {name}: {error}") from error
        self._check_case(name, pattern)
        self._patterns[name] = pattern
        self.entries[name] = {**CONNECTION_DATA, **fields.pop("data", {}), **fields}
        has_release = host.release is not None or host.releases
        of_release: Location = owner if has_release else ("defaults",)
        _check_release(name, fields, self._locate, of_release)

    def _find_owner(self, owner: Location, host: HostData, field: str) -> Location:
        """Return where a field of a host stands: an inherited one is to be mended there."""
        if field in host.model_fields_set:
            return (*owner, field)
        return ("defaults", field) if field in self._written_defaults else owner

    def _check_new(self, name: str, pattern: str) -> None:
        place = ("hosts", pattern)
        if first := self._patterns.get(name):
            raise InvalidInput(
                _(
                    "{place}: {name} (of {pattern}) is defined twice, first in {other_place} "
                    "(of {first}): remove one",
                    place=self._locate(place),
                    name=name,
                    pattern=pattern,
                    other_place=self._locate(("hosts", first)),
                    first=first,
                )
            )
        if len(self.entries) == ranges.MAX_HOSTS:
            raise InvalidInput(
                _(
                    "{place}: more than {limit} hosts",
                    place=self._locate(place),
                    limit=ranges.MAX_HOSTS,
                )
            )

    def _check_case(self, name: str, pattern: str) -> None:
        twin = self._names_by_folded.setdefault(name.casefold(), name)
        if twin != name:
            place = self._locate(("hosts", pattern))
            raise InvalidInput(
                _(
                    "{place}: {name} and {twin} differ only in case: rename one",
                    place=place,
                    name=name,
                    twin=twin,
                )
            )

    def check_groups(self) -> None:
        """Check that no group has the name of another host, which would make --limit ambiguous."""
        for name, fields in self.entries.items():
            for group in fields.get("groups", ()):
                if group in self._patterns and group != name:
                    place = self._locate(("hosts", self._patterns[name]))
                    raise InvalidInput(
                        _(
                            "{place}: {name}: its group {group} has the name of a host, so that "
                            "--limit would be ambiguous: rename one",
                            place=place,
                            name=name,
                            group=group,
                        )
                    )


def _merge_fields(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    # `release` of a host replaces `releases` of the defaults, and vice versa
    alternative = {"release": "releases", "releases": "release"}
    hidden = {alternative[key] for key in alternative if key in above}
    below = {key: value for key, value in below.items() if key not in hidden}
    return {**below, **above, "data": {**below.get("data", {}), **above.get("data", {})}}


def _check_host(name: str, fields: dict[str, Any]) -> None:
    """Check what a range may have made invalid, and normalize the address."""
    address = ssh_config.find_address(name, fields)
    if address != fields.get("ssh_hostname", name):
        fields["ssh_hostname"] = address
    for group in fields.get("groups", ()):
        check_group(group)
    check_files(fields)


def check_files(data: Mapping[str, Any]) -> None:
    """Check that the files in a host's data exist on the controller.

    Args:
        data: data of a host.

    Raises:
        ValueError: a file is missing; the message begins with the name of the field.
    """
    for key in (
        "ssh_key",
        "ssh_known_hosts_file",
        "sudo_password_file",
        *module_key.DATA_KEYS,
        *FILE_KEYS,
    ):
        if data.get(key) and not is_file(os.path.expanduser(str(data[key]))):
            raise ValueError(
                _(
                    "{key}: no such file: {path}; remedy: put the file there, or correct the path",
                    key=key,
                    path=data[key],
                )
            )


def _check_release(
    name: str, fields: dict[str, Any], locate: FieldLocator, owner: Location
) -> None:
    key = next((key for key in ("release", "releases") if fields.get(key)), "")
    if not key:
        return
    try:
        targets.load_host_target(fields)
    except InvalidInput as error:
        place = locate((*owner, key))
        raise InvalidInput(
            _("{place}: release of {name}:\n{error}", place=place, name=name, error=error)
        ) from error


def select_group(entries: list[Entry], name: str) -> list[Entry]:
    """Select the hosts of a group.

    Args:
        entries: hosts.
        name: name of the group.

    Returns:
        The entries whose groups contain it.
    """
    return [entry for entry in entries if name in entry[1].get("groups", ())]


@as_pyinfra_error()
def as_pyinfra_groups(entries: list[Entry], everyone: str = "fleet") -> dict[str, list[Entry]]:
    """Sort hosts into the variables of an inventory file, which pyinfra reads as groups.

    An inventory in Python contains ``globals().update(as_pyinfra_groups(load_hosts(...)))``.

    Args:
        entries: hosts.
        everyone: name of the group of all hosts (default: fleet).

    Returns:
        The group of all hosts, then all others in the order of the file: if group data contradict
        each other, pyinfra uses the last.

    Raises:
        InvalidInput: a host or group has the name of the group of all hosts.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        names = tuple(dict.fromkeys(entry[1].get("groups", ())))
        for reserved in (everyone, "all"):
            if reserved in (entry[0], *names):
                raise InvalidInput(
                    _(
                        "{host}: {reserved} is the group of all hosts: rename it",
                        host=entry[0],
                        reserved=reserved,
                    )
                )
        for name in names:
            groups.setdefault(name, []).append(entry)
    return {everyone: entries, **groups}


#: earlier names, imported by inventories of users
entries, group, grouped = build_entries, select_group, as_pyinfra_groups
one_of, read = find_inventory_file, load_hosts
