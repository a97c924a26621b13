"""Hosts that --limit and --exclude select, with the same meaning in every command.

An item is a host, a group, a range (`mlu[08-12]`) or a pattern with `*` and `?`; commas
separate items. Each must match a host, so that a typing error cannot change the selection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, NoReturn

from fleet.errors import InvalidInput
from fleet.inventory import desired_state, inventory_argument, pyinfra_loader, ranges
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.language import _
from fleet.text import suggestions, word_lists

if TYPE_CHECKING:
    from pyinfra.api import Host
    from pyinfra.api.inventory import Inventory

#: unknown names in an error message
MAX_NAMES_SHOWN = 5
#: pyinfra's own patterns and many shells read [12] as 1 or 2
AMBIGUOUS_BRACKET = re.compile(r"\[[\w.]{2,}\]")


class InventoryNames:
    """The names of an inventory, which patterns are matched against.

    Args:
        hosts: names of hosts.
        groups: hosts of each group.
    """

    def __init__(self, hosts: Iterable[str], groups: Mapping[str, Collection[str]]) -> None:
        self.hosts = tuple(hosts)
        self.groups = {"all": self.hosts, **{name: groups[name] for name in groups}}
        self._names = set(self.hosts)

    def select_hosts(self, patterns: Sequence[str], option: str = "--limit") -> set[str]:
        """Select hosts by the values of an option.

        Args:
            patterns: values of the option.
            option: its name, for messages (default: --limit).

        Returns:
            Names of the selected hosts.

        Raises:
            InvalidInput: an item matches no host, or is ambiguous.
        """
        selected: set[str] = set()
        for text in patterns:
            for pattern in [text] if self._has_name(text) else _split_patterns(text):
                try:
                    selected |= self._match_pattern(pattern)
                except ValueError as error:
                    raise InvalidInput(f"{option} {text}: {error}") from error
        return selected

    def _has_name(self, text: str) -> bool:
        return text in self._names or text in self.groups

    def _match_pattern(self, pattern: str) -> set[str]:
        if not pattern:
            raise ValueError(_("an item is empty: remove the comma"))
        if self._has_name(pattern):
            return self._list_hosts(pattern)
        if pattern[0] in "!^~&@":
            raise ValueError(
                _("{pattern} is not a name; to leave hosts out, use --exclude", pattern=pattern)
            )
        if bracket := AMBIGUOUS_BRACKET.search(pattern):
            inside = bracket[0][1:-1]
            as_text, as_characters = (
                pattern.replace(bracket[0], replacement)
                for replacement in (inside, f"[{','.join(inside)}]")
            )
            raise ValueError(
                _(
                    "{bracket} is ambiguous: write {as_text}, or {as_characters} for any "
                    "one of its characters",
                    bracket=bracket[0],
                    as_text=as_text,
                    as_characters=as_characters,
                )
            )
        selected: set[str] = set()
        unknown = []
        for name, _values in ranges.expand_pattern(pattern):
            hosts = self._match_name(name)
            selected |= hosts
            unknown += [] if hosts else [name]
        if unknown:
            self._reject_unknown(unknown)
        return selected

    def _match_name(self, name: str) -> set[str]:
        if self._has_name(name):
            return self._list_hosts(name)
        if not {"*", "?"} & set(name):
            return set()
        matches = re.compile(translate(name)).match
        hosts = {host for host in self.hosts if matches(host)}
        groups = [group for group in self.groups if group != "all" and matches(group)]
        larger = [group for group in groups if not hosts.issuperset(self.groups[group])]
        if hosts and larger:
            raise ValueError(
                _(
                    "{name} is ambiguous: it matches hosts, and the group {group} with other hosts",
                    name=name,
                    group=larger[0],
                )
            )
        return hosts or {host for group in groups for host in self.groups[group]}

    def _list_hosts(self, name: str) -> set[str]:
        members = set(self.groups.get(name, ()))
        if name in self._names and members and members != {name}:
            raise ValueError(
                _(
                    "{name} is ambiguous: a host, and a group of {count} hosts: rename one",
                    name=name,
                    count=len(members),
                )
            )
        if not members and name not in self._names:
            raise ValueError(_("the group {name} has no hosts", name=name))
        return members or {name}

    def _reject_unknown(self, unknown: list[str]) -> NoReturn:
        candidates = dict.fromkeys([*self.groups, *self.hosts])
        similar = suggestions.format_suggestions(unknown[0], candidates)
        raise ValueError(
            _(
                "no such host or group: {names}{similar}",
                names=_format_names(unknown),
                similar=similar,
            )
        )


def _format_names(names: list[str]) -> str:
    return word_lists.join_some([name[:80] for name in names], MAX_NAMES_SHOWN)


def _split_patterns(text: str) -> list[str]:
    """Split at commas that are outside of brackets."""
    return [item.strip() for item in re.split("[,\uff0c](?![^\\[\\]]*\\])", text)]


def collect_names(inventory: Inventory) -> InventoryNames:
    """Collect the names of hosts and groups.

    Args:
        inventory: a loaded inventory.

    Returns:
        The names.
    """
    groups = {name: [host.name for host in hosts] for name, hosts in inventory.groups.items()}
    return InventoryNames(inventory.hosts, groups)


@as_pyinfra_error()
def apply_limit(inventory: Inventory, limit: Iterable[str] | None) -> list[Host] | None:
    """Select the hosts of --limit, in place of pyinfra's own function.

    pyinfra's function only warns of a pattern that matches nothing. This is the first function that
    pyinfra calls with an inventory.

    Args:
        inventory: the inventory.
        limit: values of --limit, or None.

    Returns:
        The hosts in the order of the inventory; None for all.

    Raises:
        InputError: the inventory has no hosts, or an item matches none.
    """
    if not len(inventory):
        raise InvalidInput(_("the inventory has no hosts"))
    pyinfra_loader.apply_default_group_data(inventory)
    if not (patterns := tuple(limit or ())):
        return None
    names = collect_names(inventory).select_hosts(patterns)
    return [host for host in inventory if host.name in names]


@as_pyinfra_error()
def apply_exclude(
    inventory: Inventory, hosts: list[Host] | None, exclude: Iterable[str] | None
) -> list[Host] | None:
    """Remove the hosts of --exclude, in place of pyinfra's own function.

    Args:
        inventory: the inventory.
        hosts: selected hosts; None for all.
        exclude: values of --exclude, or None.

    Returns:
        The remaining hosts; None for all.

    Raises:
        InputError: an item matches no host, or no host remains.
    """
    if not (patterns := tuple(exclude or ())):
        return hosts
    names = collect_names(inventory).select_hosts(patterns, "--exclude")
    left = [host for host in (inventory if hosts is None else hosts) if host.name not in names]
    if not left:
        raise InvalidInput(_("--exclude {patterns}: no host is left", patterns=" ".join(patterns)))
    return left


@as_pyinfra_error()
def _apply_exclude_and_check(
    inventory: Inventory, hosts: list[Host] | None, exclude: Iterable[str] | None
) -> list[Host] | None:
    """Select hosts, and refuse them if they are not to be what is expected: all is read by now."""
    left = apply_exclude(inventory, hosts, exclude)
    desired_state.check_selection(inventory if left is None else left)
    return left


def patch_pyinfra_cli() -> None:
    """Let pyinfra's own command use these functions.

    Only `config.py` is read before pyinfra applies its options, so that is where it is called.

    Raises:
        RuntimeError: this version of pyinfra does not have the functions that are replaced.
    """
    from pyinfra_cli import cli

    replaced: dict[str, Callable[..., object]] = {
        "_apply_inventory_limit": apply_limit,
        "_apply_inventory_exclude": _apply_exclude_and_check,
    }
    for name, function in replaced.items():
        if not hasattr(cli, name):
            raise RuntimeError(
                f"pyinfra_cli.cli has no {name}: install the version of pyproject.toml"
            )
        setattr(cli, name, function)
    inventory_argument.patch_pyinfra()
