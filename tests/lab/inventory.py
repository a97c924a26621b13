"""What the controller gets to know of the lab: the inventory and the hosts' SSH keys."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from tests.lab import hosts, machine, paths
from tests.lab.fleet import Host

SOURCES = Path(__file__).parent / "releases"
#: what a folder must have for the project's commands to be run in it
COMMANDS = ("config.py", "deploy.py", "inventories")
RELEASE = paths.RELEASES / "baichuan-7b-lab.yml"


def write(members: list[Host]) -> None:
    """Write .lab/inventory.yml, known_hosts and the lab's releases for hosts that have booted.

    Args:
        members: the hosts of the fleet.

    Raises:
        LabError: a host does not tell its key.
    """
    ports = {name: found.port for name, found in hosts.found().items()}
    with ThreadPoolExecutor(8) as pool:
        read = "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub"
        keys = list(pool.map(lambda host: hosts.run(host.name, read), members))
    known = [f"[127.0.0.1]:{ports[h.name]} {key}\n" for h, key in zip(members, keys, strict=True)]
    replace(paths.KNOWN_HOSTS, "".join(known))
    document = {
        "defaults": {
            "release": paths.inside(RELEASE),
            "store": paths.inside(paths.STORE),
            "ssh_key": paths.inside(paths.SSH_KEY),
            "ssh_known_hosts_file": paths.inside(paths.KNOWN_HOSTS),
        },
        "hosts": {host.name: entry(host, ports[host.name]) for host in members},
    }
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=200)
    paths.RELEASES.mkdir(parents=True, exist_ok=True)
    for source in SOURCES.glob("*.yml"):
        replace(paths.RELEASES / source.name, source.read_text())
    replace(paths.INVENTORY, text)
    link_commands()


def link_commands() -> None:
    """Make the project's commands run in the folder that holds the lab, where that is another."""
    for name in COMMANDS if paths.PROJECT != paths.SOURCE else ():
        link = paths.PROJECT / name
        if not link.is_symlink():
            link.symlink_to(paths.SOURCE / name)


def entry(host: Host, port: int) -> dict[str, str | int]:
    """A host as the inventory says it."""
    said: dict[str, str | int] = {
        "ssh_hostname": "127.0.0.1",
        "ssh_port": port,
        "ssh_user": host.kind.user,
        "cards": len(host.kind.cards),
    }
    if host.kind.user != "root":
        said["sudo_password_file"] = paths.inside(machine.password_file(host.name))
    return said


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, and leave one alone that says the same."""
    if path.exists() and path.read_text() == text:
        return
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)
