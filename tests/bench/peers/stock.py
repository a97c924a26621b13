"""What the probe looks at for the bench's release, by pyinfra's own facts and operations."""

from pyinfra import host
from pyinfra.facts.deb import DebPackages
from pyinfra.facts.docker import DockerContainer, DockerImage
from pyinfra.facts.files import Directory, File, FindFiles
from pyinfra.facts.server import Arch, Command, Kernel, KernelVersion, LinuxDistribution, Mounts
from pyinfra.operations import systemd

host.get_fact(LinuxDistribution)
for fact in (Kernel, KernelVersion, Arch, DebPackages, Mounts):
    host.get_fact(fact)
for command in (
    "cat /proc/sys/kernel/random/boot_id /etc/machine-id",
    "cat /sys/bus/pci/devices/*/vendor; ls /dev/cambricon_*",
    "cat /proc/driver/cambricon/mlus/*/information",
    "find /proc/[0-9]*/fd -lname '/dev/cambricon*' || true",
    "head -n 1 /var/lib/mlufleet/stamps/*",
    "df -Pk /var/lib/docker /var/lib/mlufleet",
):
    host.get_fact(Command, command=command)
host.get_fact(DockerImage, object_id="registry.lab/light:v1")
host.get_fact(DockerContainer, object_id="light")
host.get_fact(FindFiles, path="/var/lib/dkms")
host.get_fact(File, path="/var/lib/mlufleet/lock")
host.get_fact(Directory, path="/var/lib/mlufleet/stamps")
systemd.service(name="Docker runs", service="docker", running=True, enabled=True)
