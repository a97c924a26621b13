"""Bringing the lab up and taking it down: what is there is kept, what is missing is made."""

import importlib
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from tests.lab import base, engine, hosts, image, inventory, limits, machine, paths
from tests.lab.fleet import Host, fleet
from tests.lab.steps import LabError, lock, say, step
from tests.lab.systems import BY_NAME
from tests.lab.vm import up as vm

NEEDED = 15  # GB of disk: the images, the store, and room for what the hosts load
BUILDERS = ("tests.lab.drivers", "tests.lab.artifacts")
Item = TypeVar("Item")


def require() -> None:
    """Say at once what the lab could not do without.

    Raises:
        LabError: with everything that is missing.
    """
    missing = []
    if os.geteuid() != 0:
        missing.append("root: the lab starts containers that boot; run it with sudo")
    if not shutil.which("apt-get"):
        missing.append("apt-get: the lab is made of Debian packages; use a Debian 12 machine")
    ground = next(place for place in (paths.LAB, *paths.LAB.parents) if place.exists())
    free = {place: shutil.disk_usage(place).free / 1e9 for place in (ground, Path("/var/lib"))}
    for place, gigabytes in free.items():
        # a lab that is up already has its part
        if gigabytes < NEEDED and not paths.INVENTORY.exists():
            missing.append(f"disk: {gigabytes:.0f} GB free at {place}, {NEEDED} GB needed")
    if missing:
        raise LabError("the lab needs\n  " + "\n  ".join(missing))


def up(count: int, others: Iterable[Host] = ()) -> None:
    """Make the lab have the vendor's artifacts and exactly these hosts, all of them up.

    Args:
        count: of the fleet's hosts.
        others: hosts beside the fleet.

    Raises:
        LabError: something is missing or fails.
    """
    require()
    engine.ensure()
    for builder in BUILDERS:
        if find_spec(builder):
            importlib.import_module(builder).build()
    with lock("hosts"):
        # a kind that is named may be one of the fleet's
        members = list({host.name: host for host in (*fleet(count), *others)}.values())
        raise_hosts(members)
        inventory.write(members)


def raise_hosts(members: list[Host]) -> None:
    """Make the hosts of a fleet be up, and remove all others.

    Args:
        members: the fleet.

    Raises:
        LabError: a host cannot be made.
    """
    images = {family: image.image(family) for family in {host.kind.family for host in members}}
    limits.allow(len(members))
    machine.key_pair()
    there = hosts.found()
    wanted = {host.name: host for host in members}
    asleep = [name for name in wanted if name in there and there[name].state != "running"]
    if asleep:
        with step(f"start {', '.join(asleep)}"):
            each(machine.wake, asleep)
    present = sorted(wanted.keys() & there.keys())
    each(hosts.settled, present)
    entered = dict(zip(present, each(machine.admits, present), strict=True))
    spoilt = [name for name in there if not entered.get(name)]
    if spoilt:
        with step(f"remove {', '.join(spoilt)}"):
            each(machine.remove, spoilt)
    missing = [host for host in members if not entered.get(host.name)]
    if missing:
        title = step(f"boot {', '.join(host.name for host in missing)}")
        # a port is free until its host listens on it; a host without power needs its own again
        with lock("ports", everywhere=True), title:
            taken = {found.port for found in hosts.everywhere().values()}
            ports = machine.free_ports(len(missing), taken)
            each(
                lambda pair: machine.create(pair[0], images[pair[0].kind.family], pair[1]),
                list(zip(missing, ports, strict=True)),
            )
    for name in present:
        now = engine.docker("image", "inspect", "-f", "{{.Id}}", images[wanted[name].kind.family])
        if entered[name] and there[name].image != now:
            say(f"{name} runs an older host image; `reset {name}` makes it again, bare")


def reset(name: str) -> None:
    """Make a host of the lab again, bare, at the same port.

    Args:
        name: of the host.

    Raises:
        LabError: there is no such host, or it cannot be made.
    """
    with lock("hosts"):
        there = hosts.found()
        members = [Host(one, BY_NAME[found.kind]) for one, found in there.items()]
        host = next((one for one in members if one.name == name), None)
        if host is None or name not in there:
            raise LabError(f"no host is called {name}; there are: {', '.join(there) or 'none'}")
        reference = image.image(host.kind.family)
        with lock("ports", everywhere=True), step(f"make {name} again"):
            machine.remove(name)
            machine.create(host, reference, there[name].port)
        inventory.write(members)


def down(everything: bool) -> None:
    """Remove the hosts with their disks, the inventory and the keys.

    Args:
        everything: whether the images and the lab's directory go as well.

    Raises:
        LabError: the engine refuses.
    """
    if shutil.which("dockerd"):
        # the hosts lie on its disk also when it is not running
        engine.ensure()
        names = list(hosts.found())
        with step(f"remove {', '.join(names) or 'no hosts'}"):
            each(machine.remove, names)
            if everything:
                base.forget()
    vm.down()
    paths.INVENTORY.unlink(missing_ok=True)
    shutil.rmtree(paths.LAB if everything else paths.SSH, ignore_errors=True)


def each(work: Callable[[Item], object], items: Iterable[Item]) -> list[object]:
    """Do the work for every item at once.

    Args:
        work: what to do.
        items: what to do it with.

    Returns:
        The results, in the order of the items.
    """
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, items))
