"""Which hosts the lab has: kinds of server as rows of a table, and a fleet that cycles them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice

from tests.lab.steps import LabError

# a board: the model, its subsystem id on the bus, and how many PCI devices it is
BOARDS = {"X4": ("MLU370-X4", "0057", 1), "X8": ("MLU370-X8", "0054", 2)}
BUSES = (0x39, 0x3D, 0x5A, 0x5E, 0x99, 0x9D, 0xBA, 0xBE)  # one a slot
FIRST_PORT = 2201


@dataclass(frozen=True)
class Kind:
    """A kind of server: what it says it is, its package family, its boards, who logs in."""

    name: str
    system: str  # the ID of os-release
    version: str
    title: str
    family: str
    boards: tuple[str, ...]
    user: str = "root"  # any other user has a sudo that asks for a password
    vendor: str = ""  # the system in the names of the driver's packages, where it is another word
    release: str = "1"  # of the driver's rpm
    files: dict[str, str] = field(default_factory=dict)  # its identity, where that is its own

    @property
    def driver(self) -> str:
        """The system as the vendor writes it into the names of the driver's packages."""
        return self.vendor or self.system + self.version

    @property
    def cards(self) -> list[str]:
        """A line for every PCI device: BDF, model and subsystem id."""
        lines = []
        for bus, board in zip(BUSES, self.boards, strict=False):
            model, subsystem, chips = BOARDS[board]
            lines += [f"0000:{bus + chip:02x}:00.0 {model} {subsystem}" for chip in range(chips)]
        return lines

    @property
    def identity(self) -> dict[str, str]:
        """The files by which the system says what it is, by path."""
        if self.files:
            return self.files
        like = {"deb": "debian", "rpm": "rhel fedora"}[self.family]
        files = {
            "usr/lib/os-release": f'NAME="{self.title.split()[0]}"\nVERSION="{self.version}"\n'
            f'ID="{self.system}"\nID_LIKE="{like}"\nPRETTY_NAME="{self.title}"\n'
            f'VERSION_ID="{self.version}"\n',
            "etc/issue": f"{self.title} \\n \\l\n",
        }
        if self.family == "rpm":
            files["etc/redhat-release"] = files["etc/centos-release"] = f"{self.title}\n"
        else:
            files["etc/lsb-release"] = (
                f"DISTRIB_ID={self.title.split()[0]}\nDISTRIB_RELEASE={self.version}\n"
                f'DISTRIB_DESCRIPTION="{self.title}"\n'
            )
        return files


KINDS = (
    Kind("u1604", "ubuntu", "16.04", "Ubuntu 16.04.7 LTS", "deb", ("X4",)),
    Kind("u1804", "ubuntu", "18.04", "Ubuntu 18.04.6 LTS", "deb", ("X8", "X8")),
    Kind(
        "c7",
        "centos",
        "7",
        "CentOS Linux release 7.9.2009 (Core)",
        "rpm",
        ("X4", "X4"),
        user="operator",
    ),
)


@dataclass(frozen=True)
class Host:
    """A host of the lab."""

    name: str
    kind: Kind


def size() -> int:
    """How many hosts the lab is to have: LAB_HOSTS, or one of each kind.

    Raises:
        LabError: LAB_HOSTS is not a number above 0.
    """
    given = os.environ.get("LAB_HOSTS") or str(len(KINDS))
    if not given.isdecimal() or int(given) < 1:
        raise LabError(f"LAB_HOSTS is {given!r}; it must be a number above 0")
    return int(given)


def fleet(count: int) -> list[Host]:
    """The hosts of a lab's fleet: the kinds in turn, numbered from their second round on.

    Args:
        count: of hosts.

    Returns:
        The hosts; equal counts give equal hosts, and a larger fleet begins with the smaller one.
    """
    return list(islice(names(), count))


def names() -> Iterator[Host]:
    """Hosts without end, in the order in which a fleet grows."""
    for index, kind in enumerate(cycle(KINDS)):
        turn = index // len(KINDS) + 1
        yield Host(kind.name if turn == 1 else f"{kind.name}-{turn}", kind)
