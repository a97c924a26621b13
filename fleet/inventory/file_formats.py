"""What pyinfra reads as an inventory, and what to do with an address book of another kind.

pyinfra runs whatever file it is given as Python.
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
    """:raises InvalidInput: it is no file of pyinfra's, and how it becomes one"""
    path = Path(inventory)
    try:
        path.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise InvalidInput(f"{str(path)[:200]}: {error.strerror}") from error
    if path.is_dir():
        raise InvalidInput(
            f"{path}: it is a folder: say an inventory in it{_format_inventories(path)}. "
            f"{_format_ansible_hint(path / 'fleet.py')}"
        )
    if not path.is_file():
        raise InvalidInput(f"{path}: no such inventory file{_format_nearest(path)}")
    own, suffix = path.with_suffix(".py"), path.suffix.lower()
    if suffix == ".py":
        return
    if suffix in READABLE_SUFFIXES and own.is_file():
        raise InvalidInput(f"{path}: say {own}, the inventory that reads it")
    if suffix in READABLE_SUFFIXES:
        raise InvalidInput(
            f"{path}: pyinfra's inventories are Python: `cp {INVENTORY_TEMPLATE} {own}`, which "
            f"reads it, and say {own}. {_format_ansible_hint(own)}"
        )
    if suffix in SPREADSHEET_SUFFIXES:
        raise InvalidInput(
            f"{path}: save this sheet as CSV UTF-8, {path.with_suffix('.csv')}; "
            f"then `cp {INVENTORY_TEMPLATE} {own}`, which reads that, and say {own}"
        )
    raise InvalidInput(f"{path}: pyinfra's inventories are Python. {_format_ansible_hint(own)}")


def _format_ansible_hint(own: Path) -> str:
    return f"If it is Ansible's: `cp {ANSIBLE_TEMPLATE} {own}`, and write its path there"


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
    """The same of what pyinfra's own command was given, where that is meant to be a file.

    :raises Plain: before pyinfra runs it, or goes on without any host
    """
    context = click.get_current_context(silent=True)
    inventory = str((context.params if context else {}).get("inventory") or "")
    if not inventory:  # a rollout that is resumed has read its own
        return
    known = Path(inventory).suffix.lower() in (".py", *READABLE_SUFFIXES, *SPREADSHEET_SUFFIXES)
    if Path(inventory).exists() or ((known or "/" in inventory) and not set(inventory) & set(",@")):
        check_inventory_path(inventory)
