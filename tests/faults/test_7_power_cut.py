"""7: the power goes in the middle of an installation."""

from __future__ import annotations

from tests.faults.drivers import CONF, PACKAGE, audit, status, unpackage
from tests.lab import hosts as lab
from tests.runs import LAB, Done, begin, mlufleet
from tests.waiting import PATIENCE_S, until

#: a build that takes as long as the test wants it to, until the host goes down
SLOW = """mv -n /usr/sbin/dkms /usr/sbin/dkms.real
cat > /usr/sbin/dkms <<'DKMS'
#!/bin/sh
if [ "$1" = build ] && [ -e /run/slow ]; then
  : > /run/building
  while [ -e /run/slow ]; do sleep 0.2; done
fi
exec /usr/sbin/dkms.real "$@"
DKMS
chmod 755 /usr/sbin/dkms; : > /run/slow"""


def test_7_a_power_cut_during_the_installation_is_repaired_by_the_same_run(
    provisioned: Done,
) -> None:
    unpackage("u1604")
    before, boot = len(audit("u1604")), lab.boot("u1604")
    lab.run("u1604", f"echo '// mine' > {CONF}; {SLOW}")
    try:
        run = begin("--limit", "u1604")
        until(lambda: lab.run("u1604", "ls /run/building", check=False) == "/run/building")
        assert status("u1604", PACKAGE) == "install ok half-configured"
        lab.power_off("u1604")
        lab.power_on("u1604")
        said, _ = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 0, said
        assert lab.boot("u1604") != boot
        assert status("u1604", PACKAGE) == "install ok installed"
        # the step is begun once more, dpkg is repaired once, and apt's configuration is the user's
        added = audit("u1604")[before:]
        assert len([line for line in added if "again, after a reboot" in line]) == 1
        assert len([line for line in added if "dpkg --configure -a" in line]) == 1
        assert lab.run("u1604", f"cat {CONF}") == "// mine"
        assert mlufleet("doctor", LAB, "--limit", "u1604").status == 0
    finally:
        lab.run("u1604", f"rm -f {CONF} /run/slow; mv /usr/sbin/dkms.real /usr/sbin/dkms")
