"""What pyinfra makes of an inventory: its groups, hosts, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleet.inventory.ssh_config import shown
from fleet.release.card_assignment import RELEASES
from fleet.text import sanitize

if TYPE_CHECKING:
    from pyinfra.api.inventory import Inventory
    from rich.tree import Tree

SHOWN = ("ssh_user", "release", "cards")


def described(inventory: Inventory) -> dict[str, Any]:
    """Groups with their hosts, and each host as the run will see it: the document of --json."""
    hosts = {}
    for host in inventory:
        data = host.data
        hosts[host.name] = {
            "address": str(data.get("ssh_hostname") or host.name),
            "port": data.get("ssh_port") or 22,
            **{name.removeprefix("ssh_"): _plain(data.get(name)) for name in SHOWN},
            **_several(data.get("releases")),
            "groups": [group for group in host.groups if group != "all"],
        }
    groups = {
        name: [host.name for host in members]
        for name, members in inventory.groups.items()
        if name != "all"
    }
    found: dict[str, Any] = sanitize.data({"groups": groups, "hosts": hosts})
    return found


def _several(releases: Any) -> dict[str, Any]:
    """Of a host with several releases: which card is whose, and all of them as one text."""
    if not releases:
        return {}
    owners = RELEASES.validate_python(releases)
    return {
        "release": " ".join(f"{name}={','.join(map(str, n))}" for name, n in owners.items()),
        "releases": {name: list(numbers) for name, numbers in owners.items()},
    }


def _plain(value: Any) -> str | int | None:
    return value if value is None or isinstance(value, int) else str(value)


def joined(groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """Groups with the same hosts as one, under all of their names."""
    names: dict[frozenset[str], list[str]] = {}
    for name, members in groups.items():
        names.setdefault(frozenset(members), []).append(name)
    return {", ".join(same): groups[same[0]] for same in names.values()}


def nested(groups: dict[str, list[str]]) -> dict[str, str | None]:
    """group -> the smallest group that holds all of its hosts and more, the wider ones first.

    pyinfra's groups are not in one another: what shows them as a tree is who is in them.
    """
    sets = {name: frozenset(members) for name, members in groups.items()}
    parents: dict[str, str | None] = {}
    for name in sorted(groups, key=lambda name: -len(sets[name])):
        wider = [other for other in parents if sets[other] > sets[name]]
        parents[name] = min(wider, key=lambda other: len(sets[other]), default=None)
    return parents


def tree(title: str, found: dict[str, Any]) -> Tree:
    """Groups in groups; a host in the smallest of those it is in, in each that is no wider one."""
    from rich.text import Text
    from rich.tree import Tree

    groups, hosts = joined(found["groups"]), found["hosts"]
    parents = nested(groups)
    root = Tree(Text(f"{title} ({_count(hosts)})"))
    branches: dict[str | None, Tree] = {None: root}
    inside: dict[str | None, set[str]] = {}
    for name, parent in parents.items():
        branches[name] = branches[parent].add(Text(f"{name} ({_count(groups[name])})", "cyan"))
        inside.setdefault(parent, set()).update(groups[name])
    for place, branch in branches.items():
        for host in hosts if place is None else groups[place]:
            if host not in inside.get(place, ()):
                branch.add(Text(_line(host, hosts[host])))
    return root


def show(title: str, found: dict[str, Any]) -> None:
    from rich.console import Console

    # a terminal wraps by itself; rich would cut lines to its width
    Console(width=1000, highlight=False).print(tree(title, found))


def _count(hosts: Any) -> str:
    return f"{len(hosts)} host" + "s" * (len(hosts) != 1)


def _line(name: str, said: dict[str, Any]) -> str:
    address = shown(said["address"], said["port"])
    if said["user"] is not None:
        address = f"{said['user']}@{address}"
    cards = f"{said['cards']} cards" if said["cards"] is not None else "cards: not said"
    return f"{name}  {address}  {said['release'] or 'no release'}  {cards}"
