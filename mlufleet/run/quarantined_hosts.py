"""Which of a run's hosts are in quarantine: they are left out, unless their data includes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from fleet import quarantine
from fleet.errors import InvalidInput
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.language import _, n_
from fleet.quarantine import Quarantine
from fleet.text import sanitize
from mlufleet.report import host_ranges

if TYPE_CHECKING:
    from pyinfra.api import Host
    from pyinfra.api.inventory import Inventory

#: data of a host that lets a run work on it in spite of its quarantine
INCLUDE_FIELD = "include_quarantined"
#: the same for all hosts, as an option of pyinfra
INCLUDE_DATA = f"{INCLUDE_FIELD}=true"


@dataclass(frozen=True)
class QuarantinedHosts:
    """The hosts in quarantine among those that a run was asked for.

    Attributes:
        inventory: File of the inventory.
        marks: Name of each host -> its quarantine.
        left_out: Names of those that the run leaves alone.
    """

    inventory: str = ""
    marks: dict[str, Quarantine] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    def describe(self, name: str) -> str:
        """Return why a host is in quarantine, and how that ends.

        Args:
            name: Name of the host.
        """
        end = _(
            "`mlufleet host unquarantine {path} {host}` ends that",
            path=self.inventory,
            host=name,
        )
        if name not in self.left_out:
            return _("{sentence}, and included; {end}", sentence=self.marks[name].sentence, end=end)
        return _(
            "{sentence}; {end}, `--include-quarantined` (pyinfra: `--data {data}`) includes it",
            sentence=self.marks[name].sentence,
            end=end,
            data=INCLUDE_DATA,
        )


def find_quarantined(
    inventory_file: str, hosts: Iterable[Host], *, heeds: bool = True, is_alone: bool = True
) -> QuarantinedHosts:
    """Return which hosts are in quarantine.

    Args:
        inventory_file: File of the inventory.
        hosts: The hosts that a run was asked for.
        heeds: Whether the run leaves such hosts alone at all.
        is_alone: Whether the run has no other hosts than these.

    Raises:
        InvalidInput: The file of quarantines is not valid, or no host would be left.
    """
    path, asked = quarantine.find_file(inventory_file), list(hosts)
    known = quarantine.load(path)
    marks = {host.name: known[host.name] for host in asked if host.name in known}
    left_out = frozenset(
        host.name
        for host in asked
        if heeds and host.name in marks and not host.data.get(INCLUDE_FIELD)
    )
    found = QuarantinedHosts(inventory_file, marks, left_out)
    if is_alone and left_out and len(left_out) == len(asked):
        first = next(iter(marks))
        sentence = n_(
            "{path}: no host is left: {host} is {quarantine}",
            "{path}: no host is left: all {count} hosts are in quarantine; {host} is {quarantine}",
            len(marks),
            path=path,
            host=first,
            quarantine=found.describe(first),
        )
        raise InvalidInput(sanitize.escape_line(sentence))
    return found


def leave_out(
    inventory_file: str, inventory: Inventory, hosts: list[Host] | None, *, heeds: bool = True
) -> tuple[list[Host] | None, QuarantinedHosts]:
    """Remove hosts in quarantine from those that a run was asked for, and say so.

    Args:
        inventory_file: File of the inventory.
        inventory: The inventory.
        hosts: The hosts that the run was asked for; None for all.
        heeds: Whether the run leaves such hosts alone at all.

    Returns:
        The hosts that are left, None for all, and those that are in quarantine.

    Raises:
        InvalidInput: The file of quarantines is not valid, or no host would be left.
    """
    asked = list(inventory) if hosts is None else hosts
    found = find_quarantined(inventory_file, asked, heeds=heeds)
    if not found.left_out:
        return hosts, found
    lines = [
        (name, _("left out: {reason}", reason=found.describe(name)))
        for name in found.marks
        if name in found.left_out
    ]
    for line in host_ranges.group_lines(lines, len(asked)):
        click.secho(sanitize.escape_line(line), fg="yellow", err=True)
    return [host for host in asked if host.name not in found.left_out], found


def heed_in_pyinfra(note: Callable[[QuarantinedHosts], None]) -> None:
    """Let pyinfra's own command leave out hosts in quarantine.

    It applies `--exclude` last, before it connects to any host.

    Args:
        note: Takes the hosts in quarantine.
    """
    from pyinfra_cli import cli

    apply_exclude = cli._apply_inventory_exclude
    inventory_file = str(click.get_current_context().params["inventory"])

    @as_pyinfra_error()
    def exclude(
        inventory: Inventory, hosts: list[Host] | None, names: Iterable[str] | None
    ) -> list[Host] | None:
        selected = apply_exclude(inventory, hosts, names)
        left, found = leave_out(inventory_file, inventory, selected)
        note(found)
        return left

    cli._apply_inventory_exclude = exclude
