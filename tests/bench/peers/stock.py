"""What the probe looks at for the bench's release, by pyinfra's own operations, or by its facts
where it has no operation; nothing is changed."""

from pyinfra import host
from pyinfra.facts.files import File, FindFiles
from pyinfra.facts.server import (
    Arch,
    Command,
    Date,
    KernelModules,
    KernelVersion,
    LinuxDistribution,
    Mounts,
    Which,
)
from pyinfra.operations import apt, docker, files, systemd

STATE = "/var/lib/mlufleet"
IMAGE, CONTAINER = "registry.lab/light:v1", "light"

for fact in (LinuxDistribution, KernelVersion, KernelModules, Arch, Date, Mounts):
    host.get_fact(fact)
for command in (
    "id -u",
    "cat /proc/sys/kernel/random/boot_id",
    "cat /etc/machine-id",
    "ls /sys/firmware/efi/efivars/SecureBoot-* 2>/dev/null || true",
    "od -An -v -tx1 -j8 -N40 /sys/bus/pci/devices/*/config",
    "cat /sys/bus/pci/devices/*/vendor",
    "ls /dev/cambricon_*",
    "cat /proc/driver/cambricon/mlus/*/*",
    "find /proc/[0-9]*/fd -lname '/dev/cambricon*' || true",
    f"head -n 1 {STATE}/stamps/* 2>/dev/null || true",
    f"df -Pk /var/lib/docker {STATE}",
    f"df -Pi /var/lib/docker {STATE}",
):
    host.get_fact(Command, command=command)
for folder in ("/boot", "/var/lib/dkms", f"{STATE}/incoming"):
    host.get_fact(FindFiles, path=folder)
for file in ("/sys/kernel/security/lockdown", "/sys/module/module/parameters/sig_enforce"):
    host.get_fact(File, path=file)
for tool in ("git", "docker"):
    host.get_fact(Which, command=tool)

driver = host.get_fact(Command, command="ls /var/lib/dkms | grep cambricon")
apt.packages(name="Driver's package", packages=[f"{driver}-dkms"])
systemd.service(name="Docker runs", service="docker", running=True, enabled=True)
docker.image(name="Image", image=IMAGE)
docker.container(name="Container runs", container=CONTAINER, image=IMAGE)
for folder in (STATE, f"{STATE}/stamps"):
    files.directory(name=f"Folder {folder}", path=folder)
files.file(name="Stamp of the proof", path=f"{STATE}/stamps/smoke")
files.file(name="Nobody has locked the host", path=f"{STATE}/lock", present=False)
