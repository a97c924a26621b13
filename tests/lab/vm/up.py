"""Bringing the host with a kernel up: built, booted, its bare state kept, and in an inventory."""

import subprocess
import sys
from pathlib import Path

import yaml

from tests.lab import drivers, engine, inventory, paths
from tests.lab.steps import LabError, step
from tests.lab.vendor import light_images
from tests.lab.vm import disk, machine

SOURCES = Path(__file__).with_name("releases")
RELEASES = disk.PLACE / "releases"
INVENTORY = paths.LAB / "kernel.yml"
KNOWN_HOSTS = disk.PLACE / "known_hosts"
BARE = "bare"


def up() -> None:
    """Make the host be there with what its releases need, whatever state it is in.

    Raises:
        LabError: something is missing or fails.
    """
    build()
    if BARE not in machine.saved():
        machine.blank()
        with step("boot the host with a kernel"):
            machine.power_on()
            # the loader's menu as its own tools write it; nothing of it waits for a later run
            machine.run("update-grub 2>&1 && sync", timeout=300)
            machine.save(BARE)
    machine.power_on(BARE)
    write()


def build() -> None:
    """What the host is made of and its releases need, where it is missing or outdated.

    Raises:
        LabError: something is missing or fails.
    """
    engine.ensure()
    drivers.build()
    light_images.build()
    disk.build()


def write() -> None:
    """Write .lab/kernel.yml, and the releases with their locks."""
    key = machine.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")
    inventory.replace(KNOWN_HOSTS, f"[127.0.0.1]:{machine.port()} {key}\n")
    entry = {
        "ssh_hostname": "127.0.0.1",
        "ssh_port": machine.port(),
        "ssh_user": "root",
        "ssh_key": paths.inside(paths.SSH_KEY),
        "ssh_known_hosts_file": paths.inside(KNOWN_HOSTS),
        "release": paths.inside(RELEASES / "kernel.yml"),
        "store": paths.inside(paths.STORE),
        "cards": len(disk.KIND.cards),
    }
    inventory.replace(INVENTORY, yaml.safe_dump({"hosts": {machine.NAME: entry}}, sort_keys=False))
    inventory.link_commands()
    RELEASES.mkdir(parents=True, exist_ok=True)
    for source in sorted(SOURCES.glob("*.yml")):
        inventory.replace(RELEASES / source.name, source.read_text())
    for source in sorted(SOURCES.glob("*.yml")):
        words = ["lock", str(RELEASES / source.name), "--store", str(paths.STORE), "--quiet"]
        done = subprocess.run(
            [sys.executable, "-m", "mlufleet", *words],
            cwd=paths.PROJECT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise LabError(f"mlufleet {' '.join(words)}:\n{done.stdout + done.stderr}")


def down() -> None:
    """Remove the host, its disk and its inventory."""
    machine.remove()
    INVENTORY.unlink(missing_ok=True)
