"""No headers of the running kernel: brought along by the release, or named."""

from __future__ import annotations

import pytest

from tests.kernel.host import loaded, refused, release, right, said, status
from tests.lab.vm import disk, machine


@pytest.fixture
def headless(bare: None) -> None:
    machine.run("dpkg --purge --force-depends $(dpkg-query -W -f '${Package}\\n' 'linux-headers-*'"
                " 'linux-kbuild-*' 'linux-compiler-*')", timeout=300)  # fmt: skip
    assert machine.run(f"ls -d /lib/modules/{disk.KERNEL}/build/.", check=False).startswith("ls:")


def test_headers_that_nobody_has_are_named_before_anything_is_installed(headless: None) -> None:
    failure = refused("HEADERS_MISSING")
    assert f"linux-headers-{disk.KERNEL} (there is no" in said(failure)
    assert status() == ""


def test_headers_of_the_release_are_installed_without_any_network(headless: None) -> None:
    assert "unreachable" in machine.run("apt-get update 2>&1 || echo unreachable", timeout=300)
    right(*release("kernel-headers"))
    assert loaded() == "5.10.10"
    machine.run(f"test -e /lib/modules/{disk.KERNEL}/build/.")
