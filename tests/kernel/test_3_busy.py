"""A driver cannot change under a process that has a card open: the kernel itself counts it."""

from __future__ import annotations

from tests.kernel.host import NEXT, loaded, refused, said, status
from tests.lab.vm import machine

#: a process of the host's own on a card
JOB = "systemd-run --unit job -q sh -c 'exec 9</dev/cambricon_dev1; exec sleep infinity'"


def test_a_process_that_holds_a_card_is_named_and_nothing_is_touched(driven: None) -> None:
    machine.run(JOB)
    pid = machine.run("systemctl show -p MainPID --value job")
    assert int(machine.run("cat /sys/module/cambricon_drv/refcnt")) > 0
    assert machine.run("modprobe -r cambricon_drv", check=False).endswith("is in use.")
    failure = refused("CARD_BUSY", *NEXT)
    assert f"sleep (pid {pid})" in said(failure)
    assert loaded() == "5.10.10" and status() == "install ok installed 5.10.10"
    assert machine.run("systemctl is-active job") == "active"
