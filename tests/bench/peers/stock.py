"""What the probe looks at for the bench's release, by pyinfra's own facts and operations."""

from pyinfra import host
from pyinfra.facts.deb import DebPackages
from pyinfra.facts.docker import DockerContainer, DockerImage
from pyinfra.facts.files import Directory, File, FindFiles
from pyinfra.facts.server import (
    Arch,
    Command,
    Date,
    KernelVersion,
    LinuxDistribution,
    Mounts,
    Which,
)
from pyinfra.operations import systemd

STATE = "/var/lib/mlufleet"

for fact in (LinuxDistribution, KernelVersion, Arch, Date, DebPackages, Mounts):
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
    "docker version",
    f"head -n 1 {STATE}/stamps/* 2>/dev/null || true",
    f"df -Pk /var/lib/docker {STATE}",
    f"df -Pi /var/lib/docker {STATE}",
):
    host.get_fact(Command, command=command)
for file in ("/sys/kernel/security/lockdown", "/sys/module/module/parameters/sig_enforce",
             f"{STATE}/lock"):  # fmt: skip
    host.get_fact(File, path=file)
for folder in ("/boot", "/var/lib/dkms", f"{STATE}/incoming"):
    host.get_fact(FindFiles, path=folder)
for folder in (f"{STATE}/stamps", f"{STATE}/jobs"):
    host.get_fact(Directory, path=folder)
host.get_fact(Which, command="git")
host.get_fact(DockerImage, object_id="registry.lab/light:v1")
host.get_fact(DockerContainer, object_id="light")
systemd.service(name="Docker runs", service="docker", running=True, enabled=True)
