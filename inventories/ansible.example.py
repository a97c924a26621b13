"""The hosts of an Ansible inventory, its groups and variables; it stays where it is."""

from pathlib import Path

from fleet.inventory import ansible, grouped

# a file, a folder or a script; relative to where you start mlufleet
_inventory = Path("/etc/ansible/hosts")
# what Ansible's variables (group_vars, host_vars) do not say
_defaults = {"release": "baichuan-7b", "store": "artifacts"}
globals().update(grouped(ansible.read(_inventory, _defaults)))
