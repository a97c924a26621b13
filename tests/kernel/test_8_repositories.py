"""Headers that are missing come from the host's own repositories, where the release has none."""

from __future__ import annotations

import pytest

from tests.kernel.host import loaded, refused, release, right, said, status
from tests.kernel.test_6_power import WITHOUT_HEADERS
from tests.lab.vm import disk, machine

PLAIN = release("kernel-plain")
#: what dpkg-scanpackages writes, which the host does not have
INDEX = """
cd /opt/mirror && for package in *.deb; do
  dpkg-deb --field $package
  echo "Filename: ./$package"; echo "Size: $(stat -c %s $package)"
  echo "SHA256: $(sha256sum < $package | cut -d' ' -f1)"; echo
done > Packages
echo 'deb [trusted=yes] file:/opt/mirror ./' > /etc/apt/sources.list && apt-get update
"""


@pytest.fixture
def without(bare: None) -> None:
    machine.run(f"{WITHOUT_HEADERS}; mkdir /opt/mirror", timeout=300)


def test_a_host_that_no_repository_helps_is_refused_before_anything_is_done(
    without: None,
) -> None:
    told = said(refused("HEADERS_MISSING", *PLAIN))
    assert f"linux-headers-{disk.kernel()} (there is no /lib/modules" in told and status() == ""


def test_those_of_exactly_the_running_kernel_are_installed_by_its_package_manager(
    without: None,
) -> None:
    for package in sorted(disk.HEADERS.iterdir()):
        machine.put(package, "/opt/mirror/")
    machine.run(INDEX, timeout=300)
    done = right(*PLAIN)
    assert f"installing the headers of kernel {disk.kernel()} of its repositories" in done.output
    assert loaded() == "5.10.10"
