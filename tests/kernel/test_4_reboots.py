"""A newer kernel beside the one that runs, and reboots that do not go as expected."""

from __future__ import annotations

import time

import pytest

from tests.kernel.host import (
    INVENTORY,
    NEXT,
    deploy,
    doctor,
    loaded,
    refused,
    release,
    right,
    said,
    status,
)
from tests.lab import paths
from tests.lab.vm import machine
from tests.runs import Done, begin

NEWER = release("kernel-newer")
#: an update that is installed while the host goes down, and takes its time
AT_SHUTDOWN = """
cat > /etc/systemd/system/updates.service <<'UNIT'
[Unit]
After=ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh -c 'mv /root/vmlinuz-* /boot/ && update-grub; sleep 180; sync'
TimeoutStopSec=600
UNIT
systemctl daemon-reload && systemctl start updates
"""


def newer() -> str:
    """The kernel that lies beside, from the name of its package."""
    return machine.run("basename /opt/newer/linux-image-*.deb | cut -d_ -f1").removeprefix(
        "linux-image-"
    )


@pytest.fixture(scope="module")
def beside(first: Done) -> str:
    """A state: a newer kernel is installed without its headers, so DKMS built nothing for it."""
    machine.restore("driven")
    machine.run("dpkg -i /opt/newer/linux-image-*.deb; sync", timeout=600)
    machine.save("beside")
    return "beside"


@pytest.fixture(scope="module")
def waiting(beside: str) -> str:
    """A state: somebody has installed a newer driver and not rebooted; the newer kernel is gone."""
    machine.restore(beside)
    file = "cambricon-mlu-driver-ubuntu20.04-dkms_5.10.22_amd64.deb"
    machine.put(paths.STORE / file, "/root/")
    machine.run(
        "mv /boot/vmlinuz-$(ls /boot | sed -n 's/vmlinuz-//p' | sort -V | tail -n 1) /root/"
        " && update-grub",
        timeout=300,
    )
    machine.run(f"dpkg -i /root/{file}; sync", timeout=600)
    assert status() == "install ok installed 5.10.22" and loaded() == "5.10.10"
    machine.save("waiting")
    return "waiting"


def test_a_kernel_that_boots_next_without_the_driver_is_reported_as_drift(beside: str) -> None:
    machine.restore(beside)
    assert machine.run("uname -r") != newer() and loaded() == "5.10.10"
    done = doctor()
    told = [line for line in done.output.splitlines() if line.startswith("vm: driver")]
    assert done.status == 2
    assert told == [f"vm: driver: build driver 5.10.10 for kernel {newer()}, which boots next"]


def test_without_its_headers_the_missing_package_is_named_and_the_host_goes_on_as_it_is(
    beside: str,
) -> None:
    machine.restore(beside)
    told = refused("NEXT_KERNEL")
    assert f"linux-headers-{newer()}" in said(told)
    assert loaded() == "5.10.10"


def test_it_is_mended_before_the_reboot_that_would_have_broken_the_host(beside: str) -> None:
    machine.restore(beside)
    boot, kernel = machine.boot(), newer()
    done = right(*NEWER)
    assert "driver" in done.changed("vm") and machine.boot() == boot
    machine.run("systemctl reboot", check=False)
    machine.answering(machine.BOOT, other=boot)
    assert machine.run("uname -r") == kernel and loaded() == "5.10.10"


def test_a_reboot_that_takes_minutes_and_ends_in_another_kernel_is_carried_on(waiting: str) -> None:
    machine.restore(waiting)
    kernel = newer()
    machine.run(AT_SHUTDOWN)
    began = time.monotonic()
    done = right(*NEXT)
    assert time.monotonic() - began > 180
    assert "rebooting (5.10.10 is loaded)" in done.output
    assert f"installing the headers of kernel {kernel}" in done.output
    assert machine.run("uname -r") == kernel and loaded() == "5.10.22"
    assert deploy(*NEXT).statuses() == {"vm": "ok"}


def test_a_host_that_never_comes_back_is_given_up_and_goes_on_when_somebody_starts_it(
    waiting: str,
) -> None:
    machine.restore(waiting)
    run = begin(*NEXT, "--data", "reboot_timeout=60", inventory=INVENTORY)
    output = ""
    assert run.stdout
    for line in run.stdout:
        output += line
        if "rebooting (" in line:
            time.sleep(3)
            machine.power_off()
    assert run.wait(timeout=60) == 2
    assert "REBOOT_TIMED_OUT" in output and "no answer after 60 s" in output
    machine.power_on()
    right(*NEXT)
    assert loaded() == "5.10.22"
