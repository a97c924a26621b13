"""11: another package manager is waited for, named, and never robbed of its lock."""

from __future__ import annotations

from tests.faults.drivers import deb, status, unpackage
from tests.lab import hosts as lab
from tests.runs import LAB, Done, begin, ends_right, mlufleet, read_until, refused
from tests.waiting import PATIENCE_S, until

LOCK = "/var/lib/dpkg/lock-frontend"
#: takes a lock that dpkg itself does not need, and keeps it for a while
HOLD = """rm -f /tmp/held; perl -e 'use Fcntl; open F, ">>", "/var/cache/apt/archives/lock";
my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $lock) or die $!;
open G, ">", "/tmp/held"; sleep 12' >/dev/null 2>&1 &
sleep 1; test -e /tmp/held"""


def test_11_the_holder_of_the_package_lock_is_named_and_waited_for(provisioned: Done) -> None:
    unpackage("u1604")
    theirs = deb("u1604", "theirs", "while [ ! -e /tmp/go ]; do sleep 0.2; done")
    lab.run("u1604", f"rm -f /tmp/go; systemd-run --unit upgrades apt-get install -y {theirs}")
    until(lambda: status("u1604", "theirs") == "install ok half-configured")
    inode = lab.run("u1604", f"stat -c %i {LOCK}")
    pid = lab.run("u1604", "systemctl show -p MainPID upgrades").removeprefix("MainPID=")
    try:
        failure = refused("u1604", "PACKAGE_LOCKED", "--data", "lock_timeout=5")
        assert f"apt-get (pid {pid}) still holds" in failure["sentence"]
        assert lab.run("u1604", f"stat -c %i {LOCK}; cat /proc/{pid}/comm") == f"{inode}\napt-get"
        run = begin("--limit", "u1604", "--data", "lock_timeout=300")
        logs = "cat /var/lib/mlufleet/jobs/*/log"
        until(lambda: f"(pid {pid}), 300 s left" in lab.run("u1604", logs, check=False))
        read_until(run, f"waiting for apt-get (pid {pid}), ")
    finally:
        lab.run("u1604", "touch /tmp/go")
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, said
    assert status("u1604", "theirs") == "install ok installed"
    assert mlufleet("doctor", LAB, "--limit", "u1604").status == 0
    lab.run("u1604", "dpkg --purge theirs")


def test_11_the_lock_is_looked_at_again_right_before_the_vendors_package(
    provisioned: Done,
) -> None:
    """It becomes somebody's while dpkg is being repaired, after the first look."""
    unpackage("u1604")
    theirs = deb("u1604", "theirs", f"[ -e /tmp/go ] || exit 1\n{HOLD}\nexit 0")
    lab.run("u1604", f"rm -f /tmp/go; apt-get install -y {theirs}; touch /tmp/go", check=False)
    assert status("u1604", "theirs") == "install ok half-configured"
    failure = refused("u1604", "PACKAGE_LOCKED", "--data", "lock_timeout=0")
    assert "perl (pid" in failure["sentence"]
    assert status("u1604", "theirs") == "install ok installed"
    ends_right("u1604")
    lab.run("u1604", "dpkg --purge theirs")
