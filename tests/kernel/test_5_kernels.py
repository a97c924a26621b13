"""A second kernel beside the one that runs: built for before it boots, and proved when it has."""

from __future__ import annotations

from tests.kernel.host import PACKAGE, deploy, doctor, loaded, refused, right, said
from tests.lab.vm import disk, machine

NEWER = disk.NEWER
TREE = f"/var/lib/dkms/{PACKAGE.removesuffix('-dkms')}/5.10.10"


def update(*packages: str) -> None:
    """What unattended upgrades do: a newer kernel is installed, with its loader's menu."""
    files = " ".join(f"/opt/newer/{package}_*.deb" for package in packages)
    machine.run(f"dpkg -i {files} 2>&1", timeout=900)


def test_a_newer_kernel_without_headers_is_drift_and_is_not_rebooted_into(driven: None) -> None:
    update(f"linux-image-{NEWER}")
    boot = machine.boot()
    looked = doctor()
    assert looked.status == 2 and f"for kernel {NEWER}, which boots next" in looked.output
    failure = refused("NEXT_KERNEL")
    assert NEWER in said(failure) and machine.boot() == boot
    machine.run("dpkg --unpack /opt/newer/linux-headers-*.deb 2>&1 && rm -f"
                " /etc/kernel/header_postinst.d/dkms && dpkg --configure -a 2>&1",
                timeout=600)  # fmt: skip
    right()
    assert machine.boot() == boot and loaded() == "5.10.10"
    machine.run(f"test -d {TREE}/{NEWER} && test -d {TREE}/{disk.KERNEL}")
    machine.run("systemctl reboot", check=False)
    machine.answering(machine.BOOT, other=boot)
    assert machine.run("uname -r") == NEWER, "the boot loader chose it"
    assert loaded() == "5.10.10" and doctor().status == 0
    assert deploy().statuses() == {"vm": "ok"}
