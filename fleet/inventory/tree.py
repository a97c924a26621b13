"""What pyinfra makes of an inventory: its groups, hosts, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleet.inventory.ssh_config import format_address
from fleet.release.card_assignment import ASSIGNMENT_ADAPTER
from fleet.text import sanitize

if TYPE_CHECKING:
    from pyinfra.api.inventory import Inventory
    from rich.tree import Tree

HOST_FIELDS = ("ssh_user", "release", "cards")


def describe_inventory(inventory: Inventory) -> dict[str, Any]:
    """Groups with their hosts, and each host as the run will see it: the document of --json."""
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
    found: dict[str, Any] = sanitize.escape_data({"groups": groups, "hosts": hosts})
    return found


def _describe_releases(releases: Any) -> dict[str, Any]:
    """Of a host with several releases: which card is whose, and all of them as one text."""
    if not releases:
        return {}
    owners = ASSIGNMENT_ADAPTER.validate_python(releases)
    return {
        "release": " ".join(f"{name}={','.join(map(str, n))}" for name, n in owners.items()),
        "releases": {name: list(numbers) for name, numbers in owners.items()},
    }


def _to_json_value(value: Any) -> str | int | None:
    return value if value is None or isinstance(value, int) else str(value)


def merge_equal_groups(groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """Groups with the same hosts as one, under all of their names."""
    names: dict[frozenset[str], list[str]] = {}
    for name, members in groups.items():
        names.setdefault(frozenset(members), []).append(name)
    return {", ".join(same): groups[same[0]] for same in names.values()}


def nest_groups(groups: dict[str, list[str]]) -> dict[str, str | None]:
    """group -> the smallest group that holds all of its hosts and more, the wider ones first.

    pyinfra's groups are not in one another: what shows them as a tree is who is in them.
    """
    sets = {name: frozenset(members) for name, members in groups.items()}
    parents: dict[str, str | None] = {}
    for name in sorted(groups, key=lambda name: -len(sets[name])):
        wider = [other for other in parents if sets[other] > sets[name]]
        parents[name] = min(wider, key=lambda other: len(sets[other]), default=None)
    return parents


def build_tree(title: str, description: dict[str, Any]) -> Tree:
    """Groups in groups; a host in the smallest of those it is in, in each that is no wider one."""
    from rich.text import Text
    from rich.tree import Tree

    groups, hosts = merge_equal_groups(description["groups"]), description["hosts"]
    parents = nest_groups(groups)
    root = Tree(Text(f"{title} ({_format_host_count(hosts)})"))
    branches: dict[str | None, Tree] = {None: root}
    inside: dict[str | None, set[str]] = {}
    for name, parent in parents.items():
        branches[name] = branches[parent].add(
            Text(f"{name} ({_format_host_count(groups[name])})", "cyan")
        )
        inside.setdefault(parent, set()).update(groups[name])
    for place, branch in branches.items():
        for host in hosts if place is None else groups[place]:
            if host not in inside.get(place, ()):
                branch.add(Text(_format_host(host, hosts[host])))
    return root


def print_tree(title: str, description: dict[str, Any]) -> None:
    from rich.console import Console

    # a terminal wraps by itself; rich would cut lines to its width
    Console(width=1000, highlight=False).print(build_tree(title, description))


def _format_host_count(hosts: Any) -> str:
    return f"{len(hosts)} host" + "s" * (len(hosts) != 1)


def _format_host(name: str, said: dict[str, Any]) -> str:
    address = format_address(said["address"], said["port"])
    if said["user"] is not None:
        address = f"{said['user']}@{address}"
    cards = f"{said['cards']} cards" if said["cards"] is not None else "cards: not said"
    return f"{name}  {address}  {said['release'] or 'no release'}  {cards}"
