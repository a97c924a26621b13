"""Who is meant by --limit and --exclude: one meaning in every command, and nobody by accident.

A name, a group, a range as inventories have it (`mlu[08-12]`), or `*` and `?`; several are split by
commas. Each must name somebody: a slip of the keyboard is no smaller fleet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, NoReturn

from fleet.errors import InvalidInput
from fleet.inventory import pyinfra_loader, ranges
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.text import suggestions

if TYPE_CHECKING:
    from pyinfra.api import Host
    from pyinfra.api.inventory import Inventory

#: names that an error has of those who are not there, and of those who may be meant
MAX_NAMES_SHOWN = 5
#: to pyinfra's own patterns, and to many a shell, [12] is 1 or 2
AMBIGUOUS_BRACKET = re.compile(r"\[[A-Za-z0-9_.]{2,}\]")


class InventoryNames:
    """The names of an inventory. Brackets of a pattern are its ranges."""

    def __init__(self, hosts: Iterable[str], groups: Mapping[str, Collection[str]]) -> None:
        self.hosts = tuple(hosts)
        self.groups = {"all": self.hosts, **{name: groups[name] for name in groups}}
        self._names = set(self.hosts)

    def select_hosts(self, patterns: Sequence[str], option: str = "--limit") -> set[str]:
        """The hosts that an option says.

        :raises InvalidInput: a part of it names nobody, or could name two things
        """
        found: set[str] = set()
        for text in patterns:
            for pattern in [text] if self._has_name(text) else _split_patterns(text):
                try:
                    found |= self._match_pattern(pattern)
                except ValueError as error:
                    raise InvalidInput(f"{option} {text}: {error}") from error
        return found

    def _has_name(self, text: str) -> bool:
        return text in self._names or text in self.groups

    def _match_pattern(self, pattern: str) -> set[str]:
        if not pattern:
            raise ValueError("it names nobody")
        if self._has_name(pattern):
            return self._list_hosts(pattern)
        if pattern[0] in "!^~&@":
            raise ValueError(f"{pattern} is no name; hosts are left out by --exclude")
        if bracket := AMBIGUOUS_BRACKET.search(pattern):
            inside = bracket[0][1:-1]
            whole, each = (
                pattern.replace(bracket[0], instead)
                for instead in (inside, f"[{','.join(inside)}]")
            )
            raise ValueError(
                f"{bracket[0]} could be {inside}, or one of its characters: write "
                f"{whole}, or {each}"
            )
        found: set[str] = set()
        nobody = []
        for name, _ in ranges.expand_pattern(pattern):
            some = self._match_name(name)
            found |= some
            nobody += [] if some else [name]
        if nobody:
            self._reject_unknown(nobody)
        return found

    def _match_name(self, name: str) -> set[str]:
        if self._has_name(name):
            return self._list_hosts(name)
        if not {"*", "?"} & set(name):
            return set()
        fits = re.compile(translate(name)).match
        hosts = {host for host in self.hosts if fits(host)}
        groups = [group for group in self.groups if group != "all" and fits(group)]
        more = [group for group in groups if not hosts.issuperset(self.groups[group])]
        if hosts and more:
            raise ValueError(f"{name} fits hosts, and the group {more[0]} with others: name one")
        return hosts or {host for group in groups for host in self.groups[group]}

    def _list_hosts(self, name: str) -> set[str]:
        members = set(self.groups.get(name, ()))
        if name in self._names and members and members != {name}:
            raise ValueError(f"{name} is a host, and a group of {len(members)}: rename one of them")
        if not members and name not in self._names:
            raise ValueError(f"the group {name} has no hosts")
        return members or {name}

    def _reject_unknown(self, nobody: list[str]) -> NoReturn:
        told = _format_names(nobody)
        near = suggestions.format_suggestions(nobody[0], dict.fromkeys([*self.groups, *self.hosts]))
        raise ValueError(f"no host and no group is named {told}{near}")


def _format_names(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMES_SHOWN} more" if len(names) > MAX_NAMES_SHOWN else ""
    return ", ".join(name[:80] for name in names[:MAX_NAMES_SHOWN]) + more


def _split_patterns(text: str) -> list[str]:
    """What stands between the commas that are in no bracket."""
    return [part.strip() for part in re.split(r",(?![^\[\]]*\])", text)]


def collect_names(inventory: Inventory) -> InventoryNames:
    groups = {name: [host.name for host in hosts] for name, hosts in inventory.groups.items()}
    return InventoryNames(inventory.hosts, groups)


@as_pyinfra_error()
def apply_limit(inventory: Inventory, limit: Iterable[str] | None) -> list[Host] | None:
    """In place of pyinfra's own, which warns of a pattern that fits nobody, and goes on.

    It is the first that pyinfra calls when it has an inventory.

    :returns: hosts in the order of the inventory; None: all
    :raises Plain: it has no hosts, or a limit names nobody
    """
    if not len(inventory):
        raise InvalidInput("the inventory has no hosts")
    pyinfra_loader.apply_default_group_data(inventory)
    if not (said := tuple(limit or ())):
        return None
    names = collect_names(inventory).select_hosts(said)
    return [host for host in inventory if host.name in names]


@as_pyinfra_error()
def apply_exclude(
    inventory: Inventory, hosts: list[Host] | None, exclude: Iterable[str] | None
) -> list[Host] | None:
    """The same of --exclude.

    :raises Plain: it names nobody, or leaves nobody
    """
    if not (said := tuple(exclude or ())):
        return hosts
    names = collect_names(inventory).select_hosts(said, "--exclude")
    left = [host for host in (inventory if hosts is None else hosts) if host.name not in names]
    if not left:
        raise InvalidInput(f"--exclude {' '.join(said)}: no host is left")
    return left


def patch_pyinfra_cli() -> None:
    """Have pyinfra's own command read its options so; `config.py` is all it reads before them."""
    from pyinfra_cli import cli

    replaced: dict[str, Callable[..., object]] = {
        "_apply_inventory_limit": apply_limit,
        "_apply_inventory_exclude": apply_exclude,
    }
    for name, function in replaced.items():
        if not hasattr(cli, name):  # another pyinfra than config.py asks for
            raise RuntimeError(f"pyinfra_cli.cli has no {name}")
        setattr(cli, name, function)
