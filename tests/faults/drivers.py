"""What the tests of driver faults do to a host, and read of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import hosts as lab
from tests.lab import lies
from tests.runs import CONTAINER, LOADED, NEWER

PACKAGE = "cambricon-mlu-driver-ubuntu16.04-dkms"
CONF = "/etc/apt/apt.conf.d/99update-notifier"


def loaded(host: str) -> str:
    """Version of the driver that runs the cards."""
    return lab.run(host, f"{LOADED} 2>/dev/null")


def other(host: str) -> tuple[str, ...]:
    """Options for the release whose driver is not the loaded one: to get there takes a reboot."""
    return NEWER if loaded(host) == "5.10.10" else ()


def unpackage(host: str) -> None:
    """Take the package away: its module stays loaded, so that no reboot is needed to repair it."""
    if status(host, PACKAGE):
        lab.run(host, f"apt-get purge -y {PACKAGE}")
    assert loaded(host) == "5.10.10"


def unload(host: str) -> None:
    """Take the module out of the kernel."""
    lab.run(host, f"docker stop -t 1 {CONTAINER}; modprobe -r cambricon_drv")


def status(host: str, package: str) -> str:
    """What dpkg says of a package: "install ok installed"; empty for one that it does not know."""
    said = lab.run(host, f"dpkg-query -W -f '${{Status}}' {package}", check=False)
    return "" if "no packages found" in said else said


def audit(host: str) -> list[str]:
    """The host's own book of changes."""
    return lab.run(host, "cat /var/lib/mlufleet/audit.log").splitlines()


def deb(host: str, name: str, postinst: str) -> str:
    """Make a package of somebody else on a host. Returns its path."""
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x"
    lab.run(
        host,
        f"dpkg --purge {name} 2>/dev/null; rm -rf /tmp/{name};"
        f"mkdir -p /tmp/{name}/DEBIAN; cd /tmp/{name}/DEBIAN;"
        f"echo '{control}' > control; cat > postinst; chmod 755 . postinst;"
        f"dpkg-deb --build /tmp/{name} /tmp/{name}.deb",
        given=f"#!/bin/sh\n{postinst}\n",
    )
    return f"/tmp/{name}.deb"


@contextmanager
def told(host: str, lie: str) -> Iterator[None]:
    """A lie that is told for a while."""
    lies.switch(host, lie, True)
    try:
        yield
    finally:
        lies.switch(host, lie, False)
