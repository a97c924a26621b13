"""14, 15, 16: kernels that the driver cannot be built for, or that do not let it in."""

from __future__ import annotations

import pytest

from tests.faults.drivers import PACKAGE, loaded, status, told, unload, unpackage
from tests.lab import hosts as lab
from tests.runs import LAB, Done, ends_right, mlufleet, refused

NEXT = "9.9.9"
MODULE = "/lib/modules/{}/updates/dkms/cambricon-drv.ko"


@pytest.mark.parametrize(
    ("lie", "code", "said"),
    [
        ("no-headers", "HEADERS_MISSING", "linux-headers-{kernel} (there is no"),
        ("secure-boot", "SECURE_BOOT", "not signed"),
    ],
)
def test_14_16_a_driver_that_could_not_be_built_or_loaded_is_not_installed(
    provisioned: Done, lie: str, code: str, said: str
) -> None:
    unpackage("u1604")
    with told("u1604", lie):
        before = lab.files("u1604")
        failure = refused("u1604", code)
        assert lab.files("u1604") == before, "the host is refused before anything is written"
    assert said.format(kernel=lab.run("u1604", "uname -r")) in failure["sentence"]


def test_14_16_both_are_repaired_by_the_next_run(provisioned: Done) -> None:
    ends_right("u1604")
    assert status("u1604", PACKAGE) == "install ok installed"


def test_16_a_module_that_the_kernel_rejects_names_both_remedies(provisioned: Done) -> None:
    unload("u1604")
    with told("u1604", "secure-boot"):
        failure = refused("u1604", "SECURE_BOOT")
    assert "Disable Secure Boot" in failure["remedy"] and "owner key" in failure["remedy"]
    ends_right("u1604")


def test_15_the_kernel_that_boots_next_gets_its_module_before_any_reboot(
    provisioned: Done,
) -> None:
    boot, running = lab.boot("u1604"), lab.run("u1604", "uname -r")
    lab.run("u1604", f"touch /boot/vmlinuz-{NEXT}; mkdir -p /lib/modules/{NEXT}")
    try:
        looked = mlufleet("doctor", LAB, "--limit", "u1604")
        assert looked.status == 2 and f"for kernel {NEXT}, which boots next" in looked.output
        failure = refused("u1604", "NEXT_KERNEL")
        assert NEXT in failure["sentence"] + " ".join(failure["tail"])
        lab.run("u1604", f"mkdir /lib/modules/{NEXT}/build")
        ends_right("u1604")
        lab.run("u1604", f"test -f {MODULE.format(NEXT)} && test -f {MODULE.format(running)}")
        assert lab.boot("u1604") == boot
    finally:
        name = PACKAGE.removesuffix("-dkms")
        lab.run(
            "u1604",
            f"rm -rf /boot/vmlinuz-{NEXT} /lib/modules/{NEXT} /var/lib/dkms/{name}/5.10.10/{NEXT}",
        )


def test_15_a_kernel_that_has_booted_without_a_module_gets_one(provisioned: Done) -> None:
    name, running = PACKAGE.removesuffix("-dkms"), lab.run("u1604", "uname -r")
    unload("u1604")
    lab.run(
        "u1604",
        f"cd /var/lib/dkms/{name}/5.10.10 && mv {running} 4.9.9 &&rm {MODULE.format(running)}",
    )
    try:
        done = ends_right("u1604")
        assert "driver" in done.changed("u1604") and loaded("u1604") == "5.10.10"
    finally:
        lab.run("u1604", f"rm -rf /var/lib/dkms/{name}/5.10.10/4.9.9")
