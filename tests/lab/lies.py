"""The lies of the lab: what a host can be made to do wrong, each a switch on one host."""

from tests.lab import hosts
from tests.lab.steps import LabError

LIES = {
    "module-does-not-load": "The driver's packages say success and exit 0; modprobe fails.",
    "image-load-lies": "docker load reads all, says that the image is loaded, and loads nothing.",
    "cnmon-hangs": "cnmon never ends: the kernel holds it, and not even SIGKILL is heard.",
    "card-off-bus": "The last card is gone from the PCI bus, with its nodes.",
    "card-rev-ff": "The last card has dropped: lspci shows revision ff, and it has no nodes.",
    "card-without-node": "The last card is on the bus, but the driver refuses it: no nodes.",
    "old-module-stays": "Every boot loads the version that is loaded now, whatever is installed.",
    "reboot-ignored": "A reboot is accepted, and the host stays up.",
    "busy-card": "A process of somebody else holds the first card, until it ends or is ended.",
    "secure-boot": "The firmware says that Secure Boot is on; an unsigned module is refused.",
    "build-fails": "The compiler stops at a warning in the driver's sources (-Werror).",
    "no-headers": "The headers of the running kernel are not there.",
}


def switch(host: str, lie: str, on: bool) -> None:
    """Switch a lie of a host; it takes effect at once where it can.

    Args:
        host: its name.
        lie: a key of LIES.
        on: whether it is told.

    Raises:
        LabError: there is no such lie, or the host cannot tell it now.
    """
    if lie not in LIES:
        raise LabError(f"no lie is called {lie!r}; there are: {', '.join(LIES)}")
    hosts.run(host, f"/usr/lib/mlu-lab/lie {lie} {'on' if on else 'off'}")


def told(host: str) -> list[str]:
    """The lies that a host tells now."""
    return hosts.run(host, "ls /etc/mlu-lab/lies 2>/dev/null", check=False).split()
