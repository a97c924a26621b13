"""The INVENTORY of a command line: a list of hosts, or pyinfra's own kind, a file of Python.

pyinfra runs every file that it is given as Python. Here is the only place where it reads another
kind instead, whether our commands ask it to or its own does.
"""

from __future__ import annotations

from typing import Any

from fleet.inventory.file_formats import is_host_list
from fleet.inventory.host_file import as_pyinfra_groups, load_hosts


def read_groups(inventory: str) -> dict[str, Any]:
    """Read the groups of an inventory, in place of pyinfra's own function.

    Args:
        inventory: the file.

    Returns:
        Hosts of each group.

    Raises:
        InputError: a list of hosts is invalid; the message names file and place.
    """
    from pyinfra_cli.inventory import _is_inventory_group
    from pyinfra_cli.util import exec_file

    if is_host_list(inventory):
        return as_pyinfra_groups(load_hosts(inventory))
    variables = exec_file(inventory, return_locals=True)
    return {name: value for name, value in variables.items() if _is_inventory_group(name, value)}


def patch_pyinfra() -> None:
    """Let pyinfra read inventories by :func:`read_groups`; a second call changes nothing.

    Raises:
        RuntimeError: this version of pyinfra does not have the function that is replaced.
    """
    from pyinfra_cli import inventory

    name = "_get_groups_from_filename"
    if not hasattr(inventory, name):
        raise RuntimeError(
            f"pyinfra_cli.inventory has no {name}: install the version of pyproject.toml"
        )
    setattr(inventory, name, read_groups)
