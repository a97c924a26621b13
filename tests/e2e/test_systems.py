"""A host of every system that no fleet of the lab has, in one run; and systems that are none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import hosts as lab
from tests.lab import up
from tests.lab.fleet import KINDS
from tests.lab.systems import SYSTEMS, named
from tests.runs import LAB, LOADED, RELEASES, SITE, Done, mlufleet

VERSION, SMALL = "5.10.10", f"{RELEASES}/light.yml"
RPM, DEB = "rpm -q --qf '%{VERSION} installed' ", "dpkg-query -W -f '${Version} ${Status}' "
MODULE = "test -f /lib/modules/$(uname -r)/{}/cambricon-drv.ko"
#: host -> what says which driver is installed, and where its module has to be
EXPECTED = {
    "u2004": (DEB + "cambricon-mlu-driver-ubuntu20.04-dkms", "updates/dkms"),
    "u2204": (DEB + "cambricon-mlu-driver-ubuntu22.04-dkms", "updates/dkms"),
    "debian11": (DEB + "cambricon-mlu-driver-debian11-dkms", "updates/dkms"),
    "rocky8": (RPM + "cambricon-mlu-driver-rocky8", "extra"),
    "rocky9": (RPM + "cambricon-mlu-driver-rocky9", "extra"),
    "kylin10": (RPM + "cambricon-mlu-driver-kylinV10", "extra"),
    "euler2203": (RPM + "cambricon-mlu-driver-openEuler22.03", "extra"),
}


@pytest.fixture(scope="module", autouse=True)
def others() -> Iterator[None]:
    """The other hosts are up beside those of the fleet, for as long as they are needed."""
    there, kinds = lab.found(), [kind.name for kind in KINDS]
    size = sum(found.kind in kinds for found in there.values())
    up.up(size, named([kind.name for kind in SYSTEMS]))
    locked = mlufleet("lock", str(SITE / SMALL), "--store", ".lab/store")
    assert locked.status == 0, locked.output
    yield
    up.up(size, named([name for name in EXPECTED if name in there]))


def deploy(*hosts: str) -> Done:
    limits = [word for host in hosts for word in ("--limit", host)]
    return mlufleet("deploy", LAB, *limits, "--data", f"release={SMALL}")


def test_each_system_gets_its_own_driver_in_one_run_and_answers() -> None:
    assert set(EXPECTED) == {kind.name for kind in SYSTEMS}
    done = deploy(*EXPECTED)
    assert done.status == 0 and set(done.statuses()) == set(EXPECTED)
    for host, (package, place) in EXPECTED.items():
        assert lab.run(host, package).startswith(f"{VERSION} ")
        assert lab.run(host, package).endswith("installed")
        lab.run(host, MODULE.format(place))
        assert lab.run(host, LOADED) == VERSION
        assert lab.run(host, "docker exec light cat /answer") == "light v1"
    assert set(done.host("u2204")["models"].values()) == {"MLU370-X4"}
    assert list(done.host("euler2203")["models"].values()) == ["MLU370-X4"] + ["MLU370-X8"] * 2
    (mixed,) = done.host("euler2203")["notes"]
    assert "1 MLU370-X4, 2 MLU370-X8" in mixed


def test_a_second_run_changes_nothing() -> None:
    again = deploy(*EXPECTED)
    assert again.status == 0 and again.statuses() == dict.fromkeys(EXPECTED, "ok")
    assert again.output.count("0 changes") == len(EXPECTED)


def test_a_system_that_nobody_knows_or_has_a_driver_for_is_refused_untouched() -> None:
    strange = {
        "u2204": ("s/ubuntu/linuxmint/", "linuxmint22.04 (Ubuntu", "it has centos7, debian11"),
        "debian11": (
            "s/11/10/",
            "debian10 (Debian",
            f"cambricon-mlu-driver-debian10-dkms_{VERSION}_amd64.deb",
        ),
    }
    for host, (edit, _, _) in strange.items():
        lab.run(host, f"cd /usr/lib && cp os-release kept && sed -i '/ID=/{edit}' os-release")
    before = {host: lab.files(host) for host in strange}
    try:
        done = deploy(*strange)
        assert {host: lab.files(host) for host in strange} == before
    finally:
        for host in strange:
            lab.run(host, "mv /usr/lib/kept /usr/lib/os-release")
    assert done.status == 2
    for host, (_, name, needed) in strange.items():
        failure = done.host(host)["failure"]
        assert failure["code"] == "OS_UNSUPPORTED"
        assert name in failure["sentence"] and needed in failure["sentence"]
    assert deploy(*strange).statuses() == dict.fromkeys(strange, "ok")
