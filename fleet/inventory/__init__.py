"""Who: hosts from YAML, CSV, Ansible or pyinfra's own files, checked before any connection."""

from fleet.inventory.host_fields import HostData
from fleet.inventory.host_file import Entry, entries, group, grouped, one_of, read

__all__ = ["Entry", "HostData", "entries", "group", "grouped", "one_of", "read"]
