"""A kernel that takes only signed modules: said before anything is installed."""

from __future__ import annotations

from tests.kernel.host import MODULE, loaded, refused, right, said, status
from tests.lab.vm import machine


def enforce() -> None:
    """Boot with module.sig_enforce: from then on the kernel itself refuses."""
    before = machine.boot()
    machine.run(
        "sed -i 's/mitigations=off/mitigations=off module.sig_enforce=1/' /etc/default/grub &&"
        "update-grub 2>&1 && systemctl reboot",
        check=False, timeout=300,
    )  # fmt: skip
    machine.answering(machine.BOOT, other=before)
    assert machine.run("cat /sys/module/module/parameters/sig_enforce") == "Y"


def test_a_kernel_that_would_refuse_the_module_is_found_before_it_is_installed(bare: None) -> None:
    enforce()
    failure = refused("SECURE_BOOT")
    assert "module.sig_enforce" in said(failure) and status() == ""


def test_a_module_that_the_kernel_refuses_after_a_reboot_is_told_in_its_words(driven: None) -> None:
    enforce()
    assert loaded() == "", "the module that was built is not signed by anybody the kernel knows"
    machine.run(f"test -f {MODULE}")
    failure = refused("SECURE_BOOT")
    assert "Key was rejected by service" in said(failure)


def test_once_the_kernel_takes_it_again_the_next_run_ends_right(driven: None) -> None:
    enforce()
    before = machine.boot()
    machine.run("sed -i 's/ module.sig_enforce=1//' /etc/default/grub && update-grub 2>&1 &&"
                "systemctl reboot", check=False, timeout=300)  # fmt: skip
    machine.answering(machine.BOOT, other=before)
    right()
    assert loaded() == "5.10.10"
