"""Files that can be an inventory, and what to do with a list of hosts in another format."""

from __future__ import annotations

import errno
from pathlib import Path

import click

from fleet.errors import InvalidInput
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.language import _
from fleet.text import suggestions, word_lists

YAML_SUFFIXES = (".yml", ".yaml")
TABLE_SUFFIXES = (".csv", ".tsv")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm")
#: lists of hosts, which are read as they are
READABLE_SUFFIXES = (*YAML_SUFFIXES, *TABLE_SUFFIXES, *WORKBOOK_SUFFIXES)
SPREADSHEET_SUFFIXES = (".xls", ".et", ".ods", ".numbers")
INVENTORY_TEMPLATE = "inventories/fleet.py"
ANSIBLE_TEMPLATE = "inventories/ansible.example.py"


def is_host_list(inventory: str | Path) -> bool:
    """Tell by its name whether a file is a list of hosts, and not Python.

    Args:
        inventory: the path.
    """
    return Path(inventory).suffix.lower() in READABLE_SUFFIXES


def check_inventory_path(inventory: str) -> None:
    """Check that a path is an inventory that can be read.

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
            _(
                "{path}: a folder: name an inventory in it{inventories}. {hint}",
                path=path,
                inventories=_format_inventories(path),
                hint=_format_ansible_hint(path / "fleet.py"),
            )
        )
    if not path.is_file():
        raise InvalidInput(
            _("{path}: no such inventory file{nearest}", path=path, nearest=_format_nearest(path))
        )
    suffix = path.suffix.lower()
    if suffix == ".py" or suffix in READABLE_SUFFIXES:
        return
    if suffix in SPREADSHEET_SUFFIXES:
        raise InvalidInput(
            _(
                "{path}: this kind of spreadsheet is not read: save it as {workbook}, and use that",
                path=path,
                workbook=path.with_suffix(".xlsx"),
            )
        )
    raise InvalidInput(
        _(
            "{path}: an inventory is a file in YAML (.yml), a table (.csv, .xlsx) or Python (.py). "
            "{hint}",
            path=path,
            hint=_format_ansible_hint(path.with_suffix(".py")),
        )
    )


def _format_ansible_hint(own: Path) -> str:
    return _(
        "For an Ansible inventory, run `cp {template} {own}` and set its path there",
        template=ANSIBLE_TEMPLATE,
        own=own,
    )


def _format_nearest(path: Path) -> str:
    folders = dict.fromkeys((path.parent, Path(INVENTORY_TEMPLATE).parent))
    suffixes = dict.fromkeys((".py", path.suffix if is_host_list(path) else ".py"))
    there = [file for folder in folders for end in suffixes for file in folder.glob(f"*{end}")]
    if same := [str(file) for file in there if file.name == path.name]:
        return _("; nearest: {names}", names=word_lists.join_words(same))
    return suggestions.format_suggestions(str(path), map(str, there)) or _format_inventories(
        path.parent
    )


def _format_inventories(folder: Path) -> str:
    names = sorted(str(file) for file in folder.glob("*.py"))[:5]
    return _(" ({names})", names=word_lists.join_words(names)) if names else ""


@as_pyinfra_error()
def check_command_line() -> None:
    """Check the inventory on the command line of pyinfra before pyinfra reads it.

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
