"""14: a package tool that fails leaves the driver that works, its package and its container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.drivers import loaded
from tests.lab import engine, paths
from tests.lab import hosts as lab
from tests.runs import CONTAINER, LAB, NEWER, Done, ends_right, mlufleet, refused

DEB, RPM = "cambricon-mlu-driver-ubuntu18.04-dkms", "cambricon-mlu-driver-centos7"
#: what would be missed: the package, the module, dkms' books, the container that runs
BOOKS = {
    "u1804": f"dpkg-query -W -f '${{Status}} ${{Version}}' {DEB}; dpkg --audit",
    "c7": f"HOME=/root rpm -q {RPM}; HOME=/root rpm -V {RPM}",
}
THERE = (
    "; find /lib/modules/ -name 'cambricon*' -type f | xargs cksum;"
    " ls -d /var/lib/dkms/*/*/*/*/module;"
    f" docker inspect -f '{{{{.Id}}}} {{{{.State.Running}}}}' {CONTAINER}"
)
DEAD = (
    "[dead]\nname=dead\nbaseurl=http://127.0.0.1:1/\nenabled=1\ngpgcheck=0\nskip_if_unavailable=0\n"
)


def there(host: str) -> str:
    return lab.run(host, BOOKS[host] + THERE)


@contextmanager
def held() -> Iterator[None]:
    lab.run("u1804", f"apt-mark hold {DEB}")
    try:
        yield
    finally:
        lab.run("u1804", f"apt-mark unhold {DEB}")


@contextmanager
def written(host: str, path: str, text: str) -> Iterator[None]:
    """A file of the host is another one for a while."""
    lab.run(host, f"[ ! -e {path} ] || cp -p {path} {path}.kept; cat > {path}", given=text)
    try:
        yield
    finally:
        lab.run(host, f"if [ -e {path}.kept ]; then mv {path}.kept {path}; else rm {path}; fi")


def test_14_a_held_driver_is_right_and_its_update_is_refused_untouched(provisioned: Done) -> None:
    before = there("u1804").replace("install ok", "hold ok")
    with held():
        assert mlufleet("doctor", LAB, "--limit", "u1804").status == 0
        failure = refused("u1804", "PACKAGE_HELD", *NEWER)
        assert DEB in failure["sentence"] and "apt-mark hold" in failure["sentence"]
        assert there("u1804") == before


def test_14_a_signed_packages_only_rule_stops_it_before_anything(provisioned: Done) -> None:
    before = there("c7")
    with written("c7", "/etc/dnf/dnf.conf", "[main]\ngpgcheck=1\nlocalpkg_gpgcheck=1\n"):
        failure = refused("c7", "PACKAGE_UNSIGNED", *NEWER)
    assert "localpkg_gpgcheck in /etc/" in failure["sentence"]
    assert there("c7") == before and loaded("c7") == "5.10.10"


@pytest.mark.parametrize(("host", "kept"), [("u1804", True), ("c7", False)])
def test_14_a_package_that_fails_half_way_gives_way_to_the_driver_before_it(
    provisioned: Done, host: str, kept: bool
) -> None:
    """Its build goes wrong in its own place only, after a trial beside the old one went well."""
    before = there(host)
    lie, aside = "/etc/mlu-lab/lies/build-fails", "/root/aside"
    lab.run(host, f"mkdir -p $(dirname {lie}) {aside}; printf 5.10.22 > {lie}")
    if not kept:
        lab.run(host, f"mv /var/lib/mlufleet/artifacts/*5.10.10* {aside}")
    try:
        failure = refused(host, "DRIVER_INSTALL", *NEWER)
    finally:
        lab.run(
            host,
            f"rm {lie}; mv {aside}/* /var/lib/mlufleet/artifacts/; rmdir {aside}; "
            "find /var/lib/dkms -name make.log -path '*/build/*' -delete",
        )
    said = "driver 5.10.10 is back" if kept else "the files of driver 5.10.10 are back"
    assert said in failure["sentence"]
    if kept:
        assert there(host) == before
    else:
        assert there(host).partition("\n")[2].endswith(before.partition("\n")[2][-200:])
        lab.run(host, "test ! -e /var/lib/mlufleet/before")
    assert loaded(host) == "5.10.10"
    ends_right(host)
    assert there(host).split()[-1] == "true"


def test_14_repositories_out_of_reach_stop_nothing_and_two_entries_become_one(
    provisioned: Done,
) -> None:
    """What the package needs is there; and rpm's books have it twice, as a cut transaction does."""
    newer = f"{RPM}-5.10.22-1.x86_64.rpm"
    engine.docker("cp", str(paths.STORE / newer), f"{lab.PREFIX}c7:/root/")
    lab.run("c7", f"cd /root; HOME=/root rpm --install --justdb --force --nodeps {newer}")
    assert len(lab.run("c7", f"HOME=/root rpm -q {RPM}").split()) == 2
    looked = mlufleet("doctor", LAB, "--limit", "c7")
    assert looked.status == 2 and "5.10.10 and 5.10.22 at once" in looked.output
    with written("c7", "/etc/yum.repos.d/dead.repo", DEAD):
        ends_right("c7")
    assert lab.run("c7", f"HOME=/root rpm -q {RPM}") == f"{RPM}-5.10.10-1.x86_64"
