"""A reboot that takes its time, one that does not end, one into another kernel."""

from __future__ import annotations

import time

from tests.kernel.host import INVENTORY, NEXT, loaded, refused, right, said
from tests.lab.vm import disk, machine
from tests.runs import begin, until


def test_a_reboot_that_takes_minutes_longer_is_waited_for(driven: None) -> None:
    run = begin(*NEXT, inventory=INVENTORY)
    before = machine.boot()
    until(lambda: machine.down(before), seconds=900)
    machine.power_off()
    time.sleep(180)
    machine.power_on()
    output, _ = run.communicate(timeout=1200)
    assert run.returncode == 0, output
    assert loaded() == "5.10.22"


def test_a_host_that_does_not_come_back_is_lost_by_its_deadline_and_found_again(
    driven: None,
) -> None:
    before = machine.boot()
    machine.monitor("watchdog_action none")
    run = begin(*NEXT, "--data", "reboot_timeout=60", inventory=INVENTORY)
    until(lambda: machine.down(before), seconds=900)
    machine.power_off()
    output, _ = run.communicate(timeout=600)
    assert run.returncode in (2, 4) and "REBOOT_TIMED_OUT" in output
    assert "no answer after 60 s" in output and "BMC" in output
    machine.power_on()
    right(*NEXT)
    assert loaded() == "5.10.22"


def test_a_module_loads_where_there_is_no_card_and_is_not_believed(bare: None) -> None:
    machine.run(": > /etc/mlu-lab/cards; /usr/lib/mlu-lab/cards")
    assert "0 of 2" in said(refused("CARDS_MISSING"))
    assert machine.run("uname -r") == disk.KERNEL
