"""dpkg and dkms themselves: builds that fail, and a power cut in the middle of either."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel import workshop
from tests.kernel.workshop import header
from tests.lab import engine
from tests.lab.vm import disk
from tests.lab.vm import up as vm
from tests.waiting import until

ERROR = "fatal error: linux/miscdevice.h: No such file or directory"

#: a build of the newer driver that goes well beside the old one, and fails in its place
SPOILT = """#!/bin/sh
case "$*" in
  *sourcetree*) exec /usr/sbin/dkms.real "$@" ;;
  build*5.10.22*) mv @HEADER@ /root/; /usr/sbin/dkms.real "$@"; status=$?
    mv /root/miscdevice.h @HEADER@; exit $status ;;
esac
exec /usr/sbin/dkms.real "$@"
"""


@pytest.fixture(autouse=True)
def box() -> Iterator[None]:
    vm.build()
    with workshop.opened():
        yield


def installed(version: str) -> None:
    assert workshop.ends(workshop.install(version))[0] == 0
    assert workshop.status() == f"install ok installed {version}"
    assert workshop.module() == version


def test_headers_of_the_release_are_installed_and_build_without_any_network() -> None:
    workshop.run(
        "dpkg --purge --force-depends $(dpkg-query -W -f '${Package}\n' 'linux-headers-*'"
        " 'linux-kbuild-*' 'linux-compiler-*')"
    )
    code, said = workshop.ends(workshop.install("5.10.10"))
    assert code != 0 and "headers" in said, "nothing is built without them"
    assert workshop.ends(workshop.install_headers())[0] == 0
    workshop.run(f"test -e /lib/modules/{disk.kernel()}/build/.")
    installed("5.10.10")


def test_a_first_driver_that_does_not_build_leaves_no_half_of_a_package() -> None:
    workshop.run(f"mv {header()} /root/")
    code, said = workshop.ends(workshop.install("5.10.10"))
    assert code != 0 and ERROR in said
    assert workshop.status() == "" and workshop.run("dpkg --audit") == ""
    workshop.run(f"mv /root/miscdevice.h {header()}")
    installed("5.10.10")


def test_a_newer_driver_that_does_not_build_leaves_the_old_one_as_it_was() -> None:
    installed("5.10.10")
    workshop.run(f"mv {header()} /root/")
    before = workshop.run(
        "find /lib/modules/*/updates /usr/src/cambricon* -type f | xargs sha256sum"
    )
    code, said = workshop.ends(workshop.install("5.10.22"))
    assert code != 0 and ERROR in said
    assert said.splitlines()[-1].endswith("driver 5.10.10 stays")
    assert workshop.status() == "install ok installed 5.10.10"
    assert (
        workshop.run("find /lib/modules/*/updates /usr/src/cambricon* -type f | xargs sha256sum")
        == before
    )
    assert workshop.run("ls -d /var/lib/mlufleet/trial 2>/dev/null || true") == ""
    workshop.run(f"mv /root/miscdevice.h {header()}")
    installed("5.10.22")


def test_a_newer_driver_that_builds_and_fails_later_gives_way_to_the_old_one() -> None:
    installed("5.10.10")
    workshop.run(
        f"cat > /tmp/dkms <<'DKMS'\n{SPOILT.replace('@HEADER@', header())}DKMS\n"
        "mv /usr/sbin/dkms /usr/sbin/dkms.real && install -m 755 /tmp/dkms /usr/sbin/dkms"
    )
    code, said = workshop.ends(workshop.install("5.10.22"))
    assert code != 0 and ERROR in said and "driver 5.10.10 is back" in said
    assert workshop.status() == "install ok installed 5.10.10" and workshop.module() == "5.10.10"


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("pgrep -x cc1 || pgrep -x as || true", id="dkms"),
        pytest.param(
            "dpkg-query -W -f '${Status}' 'cambricon*' 2>/dev/null |"
            "grep -E 'unpacked|half' || true",
            id="dpkg",
        ),
    ],
)
@pytest.mark.parametrize("was", ["", "5.10.10"], ids=["first", "upgrade"])
def test_a_power_cut_is_repaired_by_the_step_that_is_begun_again(was: str, moment: str) -> None:
    if was:
        installed(was)
    step = workshop.install("5.10.22")
    until(lambda: workshop.run(moment))
    engine.docker("kill", workshop.NAME)
    assert step.wait(timeout=60) != 0
    engine.docker("start", workshop.NAME)
    assert workshop.status() != "install ok installed 5.10.22", "the power went before the end"
    installed("5.10.22")
    assert workshop.run("dpkg --audit") == ""
