"""An inventory as pyinfra interprets it, for the command `mlufleet inventory`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleet.inventory.ssh_config import format_address
from fleet.language import _, n_
from fleet.release.card_assignment import ASSIGNMENT_ADAPTER
from fleet.text import sanitize

if TYPE_CHECKING:
    from pyinfra.api.inventory import Inventory
    from rich.tree import Tree

HOST_FIELDS = ("ssh_user", "release", "cards")


def describe_inventory(inventory: Inventory) -> dict[str, Any]:
    """Describe groups and hosts as a run will see them.

    Args:
        inventory: a loaded inventory.

    Returns:
        The document of ``mlufleet inventory --json``.
    """
    hosts = {}
    for host in inventory:
        data = host.data
        hosts[host.name] = {
            "address": str(data.get("ssh_hostname") or host.name),
            "port": data.get("ssh_port") or 22,
            **{name.removeprefix("ssh_"): _to_json_value(data.get(name)) for name in HOST_FIELDS},
            **_describe_releases(data.get("releases")),
            "groups": [group for group in host.groups if group != "all"],
        }
    groups = {
        name: [host.name for host in members]
        for name, members in inventory.groups.items()
        if name != "all"
    }
    description: dict[str, Any] = sanitize.escape_data({"groups": groups, "hosts": hosts})
    return description


def _describe_releases(releases: Any) -> dict[str, Any]:
    """Describe the releases of a host that has several, also as one text."""
    if not releases:
        return {}
    cards = ASSIGNMENT_ADAPTER.validate_python(releases)
    return {
        "release": " ".join(f"{name}={','.join(map(str, n))}" for name, n in cards.items()),
        "releases": {name: list(numbers) for name, numbers in cards.items()},
    }


def _to_json_value(value: Any) -> str | int | None:
    return value if value is None or isinstance(value, int) else str(value)


def merge_equal_groups(groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """Merge groups that have the same hosts.

    Args:
        groups: hosts of each group.

    Returns:
        Hosts of each group; the names of merged groups are joined by commas.
    """
    names: dict[frozenset[str], list[str]] = {}
    for name, members in groups.items():
        names.setdefault(frozenset(members), []).append(name)
    return {", ".join(same): groups[same[0]] for same in names.values()}


def nest_groups(groups: dict[str, list[str]]) -> dict[str, str | None]:
    """Arrange groups as a tree by their hosts, because pyinfra's groups have no parents.

    Args:
        groups: hosts of each group.

    Returns:
        The smallest group that contains all hosts of a group and more, or None; wider groups first.
    """
    sets = {name: frozenset(members) for name, members in groups.items()}
    parents: dict[str, str | None] = {}
    for name in sorted(groups, key=lambda name: -len(sets[name])):
        wider = [candidate for candidate in parents if sets[candidate] > sets[name]]
        parents[name] = min(wider, key=lambda group: len(sets[group]), default=None)
    return parents


def build_tree(title: str, description: dict[str, Any]) -> Tree:
    """Build a tree of groups, with each host in the smallest groups that contain it.

    Args:
        title: text of the root.
        description: see :func:`describe_inventory`.

    Returns:
        The tree.
    """
    from rich.text import Text
    from rich.tree import Tree

    groups, hosts = merge_equal_groups(description["groups"]), description["hosts"]
    parents = nest_groups(groups)
    root = Tree(Text(_format_group(title, hosts)))
    branches: dict[str | None, Tree] = {None: root}
    inside: dict[str | None, set[str]] = {}
    for name, parent in parents.items():
        branches[name] = branches[parent].add(Text(_format_group(name, groups[name]), "cyan"))
        inside.setdefault(parent, set()).update(groups[name])
    for place, branch in branches.items():
        for host in hosts if place is None else groups[place]:
            if host not in inside.get(place, ()):
                branch.add(Text(_format_host(host, hosts[host])))
    return root


def print_tree(title: str, description: dict[str, Any]) -> None:
    """Print an inventory as a tree.

    Args:
        title: text of the root.
        description: see :func:`describe_inventory`.
    """
    from rich.console import Console

    # rich would cut lines to the width of the terminal, which wraps them by itself
    Console(width=1000, highlight=False).print(build_tree(title, description))


def _format_group(name: str, hosts: Any) -> str:
    return n_("{ranges} ({count} host)", "{ranges} ({count} hosts)", len(hosts), ranges=name)


def _format_host(name: str, host: dict[str, Any]) -> str:
    address = format_address(host["address"], host["port"])
    if host["user"] is not None:
        address = f"{host['user']}@{address}"
    cards = _("cards: not set")
    if host["cards"] is not None:
        cards = _("{cards} cards", cards=host["cards"])
    release = host["release"] or _("no release")
    return f"{name}  {address}  {release}  {cards}"
