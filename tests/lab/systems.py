"""Kinds of server beside those that a fleet cycles: one of each other system, had by name."""

from tests.lab.fleet import KINDS, Host, Kind
from tests.lab.steps import LabError


def ubuntu(name: str, version: str, point: str, codename: str, debian: str) -> Kind:
    """An Ubuntu, by its version, point release, code name and the Debian that it was made from."""
    title = f"Ubuntu {point} LTS"
    files = {
        "usr/lib/os-release": f'NAME="Ubuntu"\nVERSION="{point} LTS"\nID=ubuntu\nID_LIKE=debian\n'
        f'PRETTY_NAME="{title}"\nVERSION_ID="{version}"\nVERSION_CODENAME={codename}\n'
        f"UBUNTU_CODENAME={codename}\n",
        "etc/issue": f"{title} \\n \\l\n",
        "etc/debian_version": f"{debian}/sid\n",
        "etc/lsb-release": f"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={version}\n"
        f'DISTRIB_CODENAME={codename}\nDISTRIB_DESCRIPTION="{title}"\n',
    }
    return Kind(name, "ubuntu", version, title, "deb", ("X4",), files=files)


def rpms(
    name: str,
    os_release: str,
    releases: tuple[str, ...],
    title: str,
    vendor: str,
    releasever: str,
    boards: tuple[str, ...] = ("X4",),
    user: str = "root",
    release: str = "1",
) -> Kind:
    """A system of rpms, by its os-release, the files that name it, and the line in them."""
    said = dict(line.split("=", 1) for line in os_release.replace('"', "").splitlines())
    files = {f"etc/{file}": f"{title}\n" for file in releases}
    files |= {
        "usr/lib/os-release": os_release,
        "etc/issue": f"{title}\nKernel \\r on an \\m\n",
        "etc/dnf/vars/releasever": f"{releasever}\n",
    }
    return Kind(
        name,
        said["ID"],
        said["VERSION_ID"],
        title,
        "rpm",
        boards,
        user,
        vendor=vendor,
        release=release,
        files=files,
    )


def rocky(name: str, version: str, codename: str, user: str = "root") -> Kind:
    """A Rocky Linux, by its version with the minor one, which it says itself."""
    major, title = version.split(".")[0], f"Rocky Linux release {version} ({codename})"
    os_release = (
        f'NAME="Rocky Linux"\nVERSION="{version} ({codename})"\nID="rocky"\n'
        f'ID_LIKE="rhel centos fedora"\nVERSION_ID="{version}"\nPLATFORM_ID="platform:el{major}"\n'
        f'PRETTY_NAME="Rocky Linux {version} ({codename})"\n'
    )
    releases = ("rocky-release", "redhat-release", "centos-release", "system-release")
    return rpms(name, os_release, releases, title, f"rocky{major}", major, user=user)


DEBIAN = {
    "usr/lib/os-release": 'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nNAME="Debian GNU/Linux"\n'
    'VERSION_ID="11"\nVERSION="11 (bullseye)"\nVERSION_CODENAME=bullseye\nID=debian\n',
    "etc/issue": "Debian GNU/Linux 11 \\n \\l\n",
    "etc/debian_version": "11.9\n",
}
KYLIN = (
    'NAME="Kylin Linux Advanced Server"\nVERSION="V10 (Sword)"\nID="kylin"\nVERSION_ID="V10"\n'
    'PRETTY_NAME="Kylin Linux Advanced Server V10 (Sword)"\nANSI_COLOR="0;31"\n'
)
OPENEULER = (
    'NAME="openEuler"\nVERSION="22.03 (LTS-SP3)"\nID="openEuler"\nVERSION_ID="22.03"\n'
    'PRETTY_NAME="openEuler 22.03 (LTS-SP3)"\nANSI_COLOR="0;31"\n'
)
SYSTEMS = (
    ubuntu("u2004", "20.04", "20.04.6", "focal", "bullseye"),
    ubuntu("u2204", "22.04", "22.04.4", "jammy", "bookworm"),
    Kind("debian11", "debian", "11", "Debian GNU/Linux 11", "deb", ("X4",), files=DEBIAN),
    rocky("rocky8", "8.9", "Green Obsidian"),
    rocky("rocky9", "9.3", "Blue Onyx", user="operator"),
    rpms(
        "kylin10",
        KYLIN,
        ("kylin-release", "system-release"),
        "Kylin Linux Advanced Server release V10 (Sword)",
        "kylinV10",
        "10",
        release="1.ky10",
    ),
    rpms(
        "euler2203",
        OPENEULER,
        ("openEuler-release", "system-release"),
        "openEuler release 22.03 (LTS-SP3)",
        "openEuler22.03",
        "22.03LTS_SP3",
        ("X4", "X8"),
    ),
)
BY_NAME = {kind.name: kind for kind in (*KINDS, *SYSTEMS)}


def named(names: list[str]) -> list[Host]:
    """One host of each kind that is named.

    Args:
        names: of kinds.

    Returns:
        The hosts, called as their kinds.

    Raises:
        LabError: there is no such kind.
    """
    if unknown := [name for name in names if name not in BY_NAME]:
        raise LabError(f"no kind is called {unknown[0]}; there are: {', '.join(BY_NAME)}")
    return [Host(name, BY_NAME[name]) for name in dict.fromkeys(names)]
