"""The hosts of an Ansible inventory with its groups and variables."""

from pathlib import Path

from fleet.inventory import ansible, as_pyinfra_groups

# a file, a folder or a script; relative to the current directory
_inventory = Path("/etc/ansible/hosts")
# fields that the variables of the inventory (group_vars, host_vars) do not set
_defaults = {"release": "baichuan-7b", "store": "artifacts"}
globals().update(as_pyinfra_groups(ansible.load_hosts(_inventory, _defaults)))
