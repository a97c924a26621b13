"""Files that can be an inventory, and what to do with a list of hosts in another format.

pyinfra runs every file that it is given as Python.
"""

from __future__ import annotations

import errno
from pathlib import Path

import click

from fleet.errors import InvalidInput
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.text import suggestions

READABLE_SUFFIXES = (".yml", ".yaml", ".csv")
SPREADSHEET_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers", ".tsv")
INVENTORY_TEMPLATE = "inventories/fleet.py"
ANSIBLE_TEMPLATE = "inventories/ansible.example.py"


def check_inventory_path(inventory: str) -> None:
    """Check that a path is an inventory in Python.

    Args:
        inventory: the path.

    Raises:
        InvalidInput: it is not; the message says how to get one.
    """
    path = Path(inventory)
    try:
        path.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise InvalidInput(f"{str(path)[:200]}: {error.strerror}") from error
    if path.is_dir():
        raise InvalidInput(
            f"{path}: a folder: name an inventory in it{_format_inventories(path)}. "
            f"{_format_ansible_hint(path / 'fleet.py')}"
        )
    if not path.is_file():
        raise InvalidInput(f"{path}: no such inventory file{_format_nearest(path)}")
    own, suffix = path.with_suffix(".py"), path.suffix.lower()
    if suffix == ".py":
        return
    if suffix in READABLE_SUFFIXES and own.is_file():
        raise InvalidInput(f"{path}: use {own} instead, the inventory that reads this file")
    if suffix in READABLE_SUFFIXES:
        raise InvalidInput(
            f"{path}: inventories of pyinfra are Python: run `cp {INVENTORY_TEMPLATE} {own}`, "
            f"which reads this file, and use {own}. {_format_ansible_hint(own)}"
        )
    if suffix in SPREADSHEET_SUFFIXES:
        raise InvalidInput(
            f"{path}: save this sheet as CSV UTF-8, {path.with_suffix('.csv')}; "
            f"then `cp {INVENTORY_TEMPLATE} {own}`, which reads that, and say {own}"
        )
    raise InvalidInput(f"{path}: inventories of pyinfra are Python. {_format_ansible_hint(own)}")


def _format_ansible_hint(own: Path) -> str:
    return f"For an Ansible inventory, run `cp {ANSIBLE_TEMPLATE} {own}` and set its path there"


def _format_nearest(path: Path) -> str:
    folders = dict.fromkeys((path.parent, Path(INVENTORY_TEMPLATE).parent))
    there = [file for folder in folders for file in folder.glob("*.py")]
    if same := [str(file) for file in there if file.name == path.name]:
        return f"; nearest: {', '.join(same)}"
    return suggestions.format_suggestions(str(path), map(str, there)) or _format_inventories(
        path.parent
    )


def _format_inventories(folder: Path) -> str:
    names = sorted(str(file) for file in folder.glob("*.py"))[:5]
    return f" ({', '.join(names)})" if names else ""


@as_pyinfra_error()
def check_command_line() -> None:
    """Check the inventory on the command line of pyinfra before pyinfra runs it as Python.

    A value that may be a host name is left to pyinfra.

    Raises:
        InputError: it is not an inventory.
    """
    context = click.get_current_context(silent=True)
    inventory = str((context.params if context else {}).get("inventory") or "")
    if not inventory:  # a resumed rollout has no inventory on its command line
        return
    known = Path(inventory).suffix.lower() in (".py", *READABLE_SUFFIXES, *SPREADSHEET_SUFFIXES)
    if Path(inventory).exists() or ((known or "/" in inventory) and not set(inventory) & set(",@")):
        check_inventory_path(inventory)
