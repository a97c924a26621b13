"""Inventories: hosts from YAML, CSV, Ansible or Python, validated before any connection."""

from fleet.inventory.host_fields import HostData
from fleet.inventory.host_file import (
    Entry,
    as_pyinfra_groups,
    build_entries,
    entries,
    find_inventory_file,
    group,
    grouped,
    load_hosts,
    one_of,
    read,
    select_group,
)

__all__ = [
    "Entry",
    "HostData",
    "as_pyinfra_groups",
    "build_entries",
    "entries",
    "find_inventory_file",
    "group",
    "grouped",
    "load_hosts",
    "one_of",
    "read",
    "select_group",
]
