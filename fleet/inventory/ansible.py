"""Hosts of an Ansible inventory, which Ansible's own command reads."""

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
from fleet.inventory.host_file import Entry, entries
from fleet.inventory.pyinfra_errors import as_pyinfra_error

#: pyinfra's: told on the terminal by both commands
log = logging.getLogger("pyinfra")

#: later ones win, as they do in Ansible
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
def read(path: Path, defaults: Mapping[str, Any] | None = None) -> list[Entry]:
    """The hosts of an Ansible inventory (a file, a folder, a script) as pyinfra wants them.

    Variables that are fields of a host are taken as such, all others as its data. A host's groups
    are all that it is in, the wider first.

    :param defaults: of all hosts, where Ansible's variables say nothing
    :raises InvalidInput: naming the places where it is said; nothing has been connected to
    """
    listed = ansible_command.list_inventory(path)
    groups = list_group_members(listed)
    variables = listed.get("_meta", {}).get("hostvars", {})
    alone = listed.get("ungrouped", {}).get("hosts", [])
    names = {*variables, *alone, *(name for members in groups.values() for name in members)}
    here = {name for name in names if _is_controller(name, variables.get(name, {}))}
    if here:
        log.warning(
            f"{path}: {', '.join(sorted(here))}: left out, Ansible does not reach it by ssh"
        )
    hosts = {
        name: _convert_host(
            path,
            name,
            variables.get(name, {}),
            tuple(group for group, members in groups.items() if name in members),
        )
        for name in sorted(names - here)
    }
    fleet = loading.validate_document(Fleet, {"hosts": hosts}, path)

    def place(where: field_errors.Location) -> str:
        if where[0] != "hosts":
            return "defaults of the inventory"
        name, field = str(where[1]), str(where[-1])
        words = [variable for variable, meant in FIELD_BY_VARIABLE.items() if meant == field]
        own = ansible_origins.locate_words(path, [*words, field], name, hosts[name].groups)
        return own if own != str(path) else ansible_origins.locate_words(path, [name])

    return entries(fleet, place, defaults)


def list_group_members(listed: dict[str, Any]) -> dict[str, set[str]]:
    """group -> its hosts, also those of its children; a wider group ahead of its children."""
    depths: dict[str, int] = {}

    def walk(name: str, depth: int) -> None:
        if depth > depths.get(name, -1):
            depths[name] = depth
            for child in listed.get(name, {}).get("children", []):
                walk(child, depth + 1)

    walk("all", 0)

    def hosts(name: str) -> set[str]:
        own = listed.get(name, {})
        return set(own.get("hosts", [])).union(*map(hosts, own.get("children", [])))

    order = sorted(depths, key=lambda name: depths[name])
    return {name: hosts(name) for name in order if name not in ("all", "ungrouped")}


def _convert_host(
    path: Path, name: str, variables: dict[str, Any], groups: tuple[str, ...]
) -> HostData:
    said: dict[str, Any] = {}
    names: dict[str, list[str]] = {}
    for variable in sorted(
        variables, key=lambda v: list(FIELD_BY_VARIABLE).index(v) if v in FIELD_BY_VARIABLE else 0
    ):
        value = variables[variable]
        if problem := _find_variable_problem(variable, value):
            origin = ansible_origins.locate_words(path, [variable], name, groups)
            raise InvalidInput(f"{origin}: {name}: {variable}: {problem}")
        if field := FIELD_BY_VARIABLE.get(variable):
            names.setdefault(field, []).append(variable)
            said[field] = parse_value(field, value) if isinstance(value, str) else value
        else:
            said.setdefault("data", {})[variable] = value
    said["groups"] = groups
    try:
        return HostData.model_validate(said)
    except ValidationError as error:
        told = []
        for wrong in error.errors():
            words = names.get(str(wrong["loc"][0])) or [*groups, name]
            place = Path(f"{ansible_origins.locate_words(path, words, name, groups)}: {name}")
            told.append(field_errors.format_error(HostData, said, wrong, place, ()))
        raise InvalidInput("\n".join(told)) from error


def _is_controller(name: str, variables: Mapping[str, Any]) -> bool:
    """Whether a host is the machine that Ansible itself runs on, as most inventories list it."""
    local = addresses.comparison_key(name) == addresses.comparison_key("localhost")
    said = variables.get("ansible_connection", "local" if local else "ssh")
    return said == "local" and not {"ansible_host", "ansible_ssh_host"} & variables.keys()


def _find_variable_problem(variable: str, value: Any) -> str:
    """Why a variable cannot be taken over; "" where it can."""
    if SECRET_VARIABLE.fullmatch(variable):
        return (
            "a secret in an inventory: log in with a key, and give sudo's password in a file "
            "that `sudo_password_file` names"
        )
    if variable in ("groups", "data"):
        return "it would be lost among a host's own fields: give it another name"
    if variable == "ansible_connection" and value not in (
        "ssh",
        "smart",
        "paramiko",
        "paramiko_ssh",
    ):
        return f"{value!r}: only hosts that are reached by ssh can be in a fleet"
    if re.fullmatch(r"ansible_ssh_\w+_args", variable) and PROXY_OPTION.search(str(value)):
        return "a proxy is not read from here: write it into ~/.ssh/config"
    if variable in FIELD_BY_VARIABLE and isinstance(value, str) and "{{" in value:
        return "a template that only a run of Ansible fills in: write the value"
    return ""
