"""A kernel that takes only signed modules: said before anything is installed."""

from __future__ import annotations

import pytest

from tests.kernel.host import MODULE, loaded, refused, said, status
from tests.lab.vm import machine


def enforce() -> None:
    """Boot with module.sig_enforce: from then on the kernel itself refuses."""
    before = machine.boot()
    machine.run("sed -i 's/audit=0/audit=0 module.sig_enforce=1/' /etc/default/grub &&"
                "update-grub 2>&1 && systemctl reboot", check=False, timeout=400)  # fmt: skip
    machine.answering(machine.BOOT, other=before)
    assert machine.run("cat /sys/module/module/parameters/sig_enforce") == "Y"


@pytest.mark.usefixtures("bare")
def test_a_kernel_that_would_refuse_the_module_is_found_before_it_is_installed() -> None:
    enforce()
    failure = refused("SECURE_BOOT")
    assert "module.sig_enforce" in said(failure) and status() == ""


@pytest.mark.usefixtures("driven")
def test_a_module_that_the_kernel_refuses_after_a_reboot_is_told_in_its_words() -> None:
    enforce()
    assert loaded() == "", "nobody whom the kernel knows has signed what was built"
    machine.run(f"test -f {MODULE}")
    failure = refused("SECURE_BOOT")
    assert "Key was rejected by service" in said(failure)
