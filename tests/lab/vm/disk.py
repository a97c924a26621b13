"""The disk that the host boots from: a Debian with a kernel, its headers, dkms and docker."""

import shutil
import subprocess
from pathlib import Path

from tests.lab import base, engine, machine, paths
from tests.lab.fleet import Kind
from tests.lab.steps import LabError, digest, lock, step

CONTEXT = Path(__file__).with_name("guest")
BUS = Path(__file__).parents[1] / "host/root/usr/lib/mlu-lab/bus.sh"
#: 5.10's packages say their system in their names: no other lab host is an Ubuntu 20.04
KIND = Kind("vm", "ubuntu", "20.04", "Ubuntu 20.04.6 LTS", "deb", ("X8",))
SIZE = "5G"
IMAGE = "mlufleet-lab/vm"

PLACE = paths.LAB / "kernel"
DISK, LOADER, KERNEL = PLACE / "host.img", PLACE / "esp.img", PLACE / "kernel"
#: packages of the running kernel's headers, for a release that brings them along
HEADERS = paths.STORE / "headers" / "ubuntu20.04"
#: those of the kernel that lies beside
NEWER = paths.STORE / "headers" / "newer"


def kernel() -> str:
    """The kernel that the host runs, the last but one that Debian had when the disk was made."""
    return KERNEL.read_text().strip()


def build() -> None:
    """Make the disk and its boot loader, when they are missing or their sources changed.

    Raises:
        LabError: a tool is missing or fails.
    """
    engine.install("mkfs.ext4", packages={"mkfs.ext4": "e2fsprogs"})
    machine.key_pair()
    key = paths.SSH_KEY.with_suffix(".pub")
    below = base.image()
    with lock("vm"):
        wanted = digest(CONTEXT, BUS, Path(__file__), key, base.key(below) or "")
        made = PLACE / "disk.key"
        if made.exists() and made.read_text() == wanted and DISK.exists() and NEWER.exists():
            return
        PLACE.mkdir(parents=True, exist_ok=True)
        made.unlink(missing_ok=True)
        with step("build the disk of the host with a kernel"):
            _make(below, key.read_text())
        made.write_text(wanted)


def _make(below: str, key: str) -> None:
    root = PLACE / "root"
    engine.docker(
        "build",
        "--network",
        "host",
        "--tag",
        IMAGE,
        "--build-arg",
        f"BASE={below}",
        "--label",
        f"{base.LABEL}=vm",
        str(CONTEXT),
        timeout=1800,
    )
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    container = engine.docker("create", IMAGE, "true")
    try:
        packed = subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE)
        _run("tar", "-x", "-C", str(root), "--exclude", "./dev/*", stdin=packed.stdout)
        packed.wait()
    finally:
        engine.docker("rm", "--force", container)
    _settle(root, key)
    shutil.move(root / "opt/esp.img", LOADER)
    shutil.move(root / "opt/kernel", KERNEL)
    for packages, place in ((root / "opt/headers", HEADERS), (root / "opt/newer/headers", NEWER)):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(packages, place)
        shutil.rmtree(packages)
    for stale in (DISK, PLACE / "state.qcow2"):
        stale.unlink(missing_ok=True)
    _run("mkfs.ext4", "-q", "-L", "host", "-d", str(root), str(DISK), SIZE)
    shutil.rmtree(root)


def _settle(root: Path, key: str) -> None:
    """What docker keeps to itself in a container, and who the host is."""
    files = {
        **KIND.identity,
        "etc/hostname": "vm\n",
        "etc/hosts": "127.0.0.1 localhost vm\n",
        "etc/resolv.conf": "",
        "etc/mlu-lab/cards": "".join(f"{card}\n" for card in KIND.cards),
        "root/.ssh/authorized_keys": key,
        "usr/lib/mlu-lab/bus.sh": BUS.read_text(),
    }
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():
            file.unlink()
        file.write_text(text)
    (root / "root/.ssh").chmod(0o700)
    (root / ".dockerenv").unlink(missing_ok=True)


def _run(*command: str, stdin: object = None) -> None:
    done = subprocess.run(command, stdin=stdin, capture_output=True, text=True)  # type: ignore[call-overload]
    if done.returncode:
        raise LabError(f"{command[0]} failed: {done.stderr.strip()[-1000:]}")
