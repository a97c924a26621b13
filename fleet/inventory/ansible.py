"""Hosts of an Ansible inventory, as Ansible's own command interprets it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fleet.documents import field_errors, loading
from fleet.errors import InvalidInput
from fleet.inventory import addresses, ansible_command, ansible_origins
from fleet.inventory.host_fields import Fleet, HostData, parse_value
from fleet.inventory.host_file import Entry, build_entries
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.language import _
from fleet.text import word_lists

#: pyinfra's logger, whose lines both commands print
log = logging.getLogger("pyinfra")

#: variable -> field; later ones win, as in Ansible
FIELD_BY_VARIABLE = {
    "ansible_ssh_host": "ssh_hostname",
    "ansible_host": "ssh_hostname",
    "ansible_ssh_port": "ssh_port",
    "ansible_port": "ssh_port",
    "ansible_ssh_user": "ssh_user",
    "ansible_user": "ssh_user",
    "ansible_private_key_file": "ssh_key",
    "ansible_ssh_private_key_file": "ssh_key",
    **{name: name for name in HostData.model_fields if name not in ("groups", "data")},
}
SECRET_VARIABLE = re.compile(r"ansible_\w*pass(word|phrase)?")
PROXY_OPTION = re.compile(r"Proxy(Command|Jump)|(^|\s)-[JW]")


@as_pyinfra_error()
def load_hosts(path: Path, defaults: Mapping[str, Any] | None = None) -> list[Entry]:
    """Load the hosts of an Ansible inventory for pyinfra. Nothing is connected to.

    Variables that are named like a field of a host set this field; all others become its data. A
    host is in all groups that contain it, wider groups first.

    Args:
        path: a file, folder or script that Ansible accepts as an inventory.
        defaults: fields of all hosts that the inventory does not set (default: none).

    Returns:
        An entry for each host, sorted by name.

    Raises:
        InvalidInput: the inventory is invalid; the message names file and line.
    """
    hosts = _convert_hosts(path, ansible_command.list_inventory(path))
    fleet = loading.validate_document(Fleet, {"hosts": hosts}, path)

    def locate(location: field_errors.Location) -> str:
        if location[0] != "hosts":
            return _("defaults of the inventory")
        name, field = str(location[1]), str(location[-1])
        words = [variable for variable, target in FIELD_BY_VARIABLE.items() if target == field]
        place = ansible_origins.locate_words(path, [*words, field], name, hosts[name].groups)
        return place if place != str(path) else ansible_origins.locate_words(path, [name])

    return build_entries(fleet, locate, defaults)


#: earlier name, imported by inventories of users
read = load_hosts


def list_group_members(listed: dict[str, Any]) -> dict[str, set[str]]:
    """List the hosts of each group.

    Args:
        listed: output of ``ansible-inventory --list``.

    Returns:
        The hosts of each group and of its children; a group comes before its children.
    """
    depths: dict[str, int] = {}

    def walk(name: str, depth: int) -> None:
        if depth > depths.get(name, -1):
            depths[name] = depth
            for child in listed.get(name, {}).get("children", []):
                walk(child, depth + 1)

    walk("all", 0)

    def hosts(name: str) -> set[str]:
        group = listed.get(name, {})
        return set(group.get("hosts", [])).union(*map(hosts, group.get("children", [])))

    order = sorted(depths, key=lambda name: depths[name])
    return {name: hosts(name) for name in order if name not in ("all", "ungrouped")}


def _convert_hosts(path: Path, listed: dict[str, Any]) -> dict[str, HostData]:
    """Return all hosts but the controller, sorted by name."""
    groups = list_group_members(listed)
    variables = listed.get("_meta", {}).get("hostvars", {})
    ungrouped = listed.get("ungrouped", {}).get("hosts", [])
    names = {*variables, *ungrouped, *(name for members in groups.values() for name in members)}
    local = {name for name in names if _is_controller(name, variables.get(name, {}))}
    if local:
        log.warning(
            _(
                "{path}: {hosts}: left out, not reached by SSH",
                path=path,
                hosts=word_lists.join_words(sorted(local)),
            )
        )
    hosts = {}
    for name in sorted(names - local):
        own_groups = tuple(group for group, members in groups.items() if name in members)
        hosts[name] = _convert_host(path, name, variables.get(name, {}), own_groups)
    return hosts


def _convert_host(
    path: Path, name: str, variables: dict[str, Any], groups: tuple[str, ...]
) -> HostData:
    fields: dict[str, Any] = {}
    used: dict[str, list[str]] = {}
    order = list(FIELD_BY_VARIABLE)
    for variable in sorted(variables, key=lambda v: order.index(v) if v in order else 0):
        value = variables[variable]
        if problem := _find_variable_problem(variable, value):
            origin = ansible_origins.locate_words(path, [variable], name, groups)
            raise InvalidInput(f"{origin}: {name}: {variable}: {problem}")
        if field := FIELD_BY_VARIABLE.get(variable):
            used.setdefault(field, []).append(variable)
            fields[field] = parse_value(field, value) if isinstance(value, str) else value
        else:
            fields.setdefault("data", {})[variable] = value
    fields["groups"] = groups
    try:
        return HostData.model_validate(fields)
    except ValidationError as error:
        messages = []
        for details in error.errors():
            words = used.get(str(details["loc"][0])) or [*groups, name]
            place = Path(f"{ansible_origins.locate_words(path, words, name, groups)}: {name}")
            messages.append(field_errors.format_error(HostData, fields, details, place, ()))
        raise InvalidInput("\n".join(messages)) from error


def _is_controller(name: str, variables: Mapping[str, Any]) -> bool:
    """Tell whether a host is the machine that Ansible runs on, which most inventories list."""
    is_local = addresses.comparison_key(name) == addresses.comparison_key("localhost")
    connection = variables.get("ansible_connection", "local" if is_local else "ssh")
    return connection == "local" and not {"ansible_host", "ansible_ssh_host"} & variables.keys()


def _find_variable_problem(variable: str, value: Any) -> str:
    """Explain why a variable cannot be used; "" if it can."""
    if SECRET_VARIABLE.fullmatch(variable):
        return _(
            "passwords in an inventory are not used: log in with a key, and put "
            "the sudo password into the file of `sudo_password_file`"
        )
    if variable in ("groups", "data"):
        return _("the variable name `{variable}` is reserved; rename it", variable=variable)
    ssh_connections = ("ssh", "smart", "paramiko", "paramiko_ssh")
    if variable == "ansible_connection" and value not in ssh_connections:
        return _("{value!r}: a fleet can only have hosts that are reached by SSH", value=value)
    if re.fullmatch(r"ansible_ssh_\w+_args", variable) and PROXY_OPTION.search(str(value)):
        return _("a proxy in this variable is not used: configure it in ~/.ssh/config")
    if variable in FIELD_BY_VARIABLE and isinstance(value, str) and "{{" in value:
        return _("templates are only filled in by a run of Ansible: write the value")
    return ""
