"""Secure Boot: shim, GRUB and a kernel that are signed, and a module that has to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import runs
from tests.kernel.host import deploy, doctor, loaded, module, refused, right, said, status
from tests.lab import paths
from tests.lab.vm import machine
from tests.lab.vm import up as vm

SECURE = "secure"
FILE = "cambricon-mlu-driver-ubuntu20.04-dkms_5.10.10_amd64.deb"


def key(private: Path, certificate: Path) -> tuple[str, ...]:
    """Options that give the site's key."""
    return ("--data", f"signing_key={private}", "--data", f"signing_certificate={certificate}")


KEY = key(machine.KEY, machine.CERTIFICATE)
SIGNER = "modinfo -F signer {}"


@pytest.fixture(scope="module")
def enforcing(vm_host: None) -> Iterator[None]:
    """A bare host whose firmware checks what it starts; afterwards it does not any more."""
    machine.restore(vm.BARE)
    machine.run("sync")
    machine.set_up(secure=True)
    machine.power_on()
    machine.save(SECURE)
    yield
    machine.set_up(secure=False)


@pytest.fixture
def secure(enforcing: None) -> None:
    machine.restore(SECURE)


def test_a_kernel_that_enforces_signatures_is_told_before_anything_is_done(secure: None) -> None:
    assert machine.run("mokutil --sb-state") == "SecureBoot enabled"
    told = said(refused("SECURE_BOOT"))
    assert "Secure Boot, lockdown, module.sig_enforce" in told
    assert status() == "" and machine.run("ls /var/lib/dkms") == ""


def test_a_module_that_nobody_signed_is_refused_by_the_kernel_and_that_is_said(
    secure: None,
) -> None:
    machine.put(paths.STORE / FILE, "/root/")
    machine.run(f"dpkg -i /root/{FILE}", timeout=300)
    assert status() == "install ok installed 5.10.10" and loaded() == ""
    told = refused("SECURE_BOOT")
    assert told["stage"] == "driver"
    print(said(told))
    assert "rejected" in said(told)


def test_a_key_that_is_not_enrolled_is_told_before_anything_is_done(
    secure: None, tmp_path: Path
) -> None:
    private, certificate = tmp_path / "other.key", tmp_path / "other.pem"
    machine.make_key(private, certificate, "another")
    told = said(refused("KEY_NOT_ENROLLED", *key(private, certificate)))
    assert str(certificate) in told and status() == ""


def test_dkms_signs_with_the_sites_key_and_the_kernel_takes_the_module(secure: None) -> None:
    done = right(*KEY)
    assert loaded() == "5.10.10"
    assert machine.run(SIGNER.format(module())) == "site's kernel modules"
    assert "rebooting" not in done.output
    assert deploy(*KEY).statuses() == {"vm": "ok"}, "a second run changes nothing"
    place = "/var/lib/mlufleet/signing"
    assert machine.run(f"stat -c '%a %U' {place} {place}/key") == "700 root\n600 root"
    secret = machine.KEY.read_text().splitlines()[3]
    assert machine.run(f"grep -qF '{secret}' {place}/key && echo there") == "there"
    assert secret not in done.output
    kept = [file for file in (runs.SITE / "runs").rglob("*") if file.is_file()]
    assert kept and not [file for file in kept if secret.encode() in file.read_bytes()]
    assert machine.run(f"grep -rlF '{secret}' /var/lib/mlufleet /var/log || true") == f"{place}/key"


def test_a_key_that_is_given_later_signs_what_is_there_and_secure_boot_can_be_switched_on(
    driven: None,
) -> None:
    boot = machine.boot()
    told = [line for line in doctor(*KEY).output.splitlines() if line.startswith("vm: driver")]
    assert told and "sign driver 5.10.10 for kernel" in told[0]
    done = right(*KEY)
    assert done.changed("vm") == ["driver"] and machine.boot() == boot
    machine.run("sync")
    machine.set_up(secure=True)
    machine.power_on()
    assert machine.run("mokutil --sb-state") == "SecureBoot enabled" and loaded() == "5.10.10"
    machine.set_up(secure=False)
