"""14: a driver that does not compile, on a host of the rpm family; of dpkg's see tests/kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.drivers import loaded
from tests.lab import hosts as lab
from tests.runs import NEWER, Done, ends_right, refused

NAME = "cambricon-mlu-driver-centos7"
LIE = "/etc/mlu-lab/lies/build-fails"
MODULES = f"rpm -V {NAME}; find /lib/modules/*/extra /var/lib/dkms -type f -name '*.ko' |xargs cat"


@contextmanager
def broken(where: str) -> Iterator[None]:
    """The compiler fails: everywhere, or with one version in its place, after a trial went well."""
    lab.run("c7", f"mkdir -p $(dirname {LIE}); printf '%s' '{where}' > {LIE}")
    try:
        yield
    finally:
        lab.run("c7", f"rm -f {LIE}; find /var/lib/dkms -name make.log -path '*/build/*' -delete")


def installed() -> str:
    return lab.run("c7", f"rpm -q --qf '%{{VERSION}}' {NAME}")


@pytest.mark.parametrize(
    ("where", "said"), [("", "driver 5.10.10 stays"), ("5.10.22", "driver 5.10.10 is back")]
)
def test_14_an_upgrade_that_does_not_compile_leaves_the_old_driver(
    provisioned: Done, where: str, said: str
) -> None:
    before = lab.run("c7", MODULES)
    with broken(where):
        failure = refused("c7", "DRIVER_INSTALL", *NEWER)
    tail = "\n".join(failure["tail"])
    assert "error: unused variable 'x' [-Werror=unused-variable]" in tail and said in tail
    assert (installed(), loaded("c7")) == ("5.10.10", "5.10.10")
    assert lab.run("c7", MODULES) == before


def test_14_after_it_the_host_is_right_and_nothing_of_the_trial_is_left(provisioned: Done) -> None:
    ends_right("c7")
    assert lab.run("c7", "ls -d /var/lib/mlufleet/trial", check=False).endswith(
        "No such file or directory"
    )
