"""From bare to an answering model on a kernel of its own."""

from __future__ import annotations

import re

from tests.kernel.host import check_driver, deploy, doctor, loaded
from tests.lab.vm import machine
from tests.runs import Done
from tests.waiting import until


def test_a_bare_host_gets_its_module_built_loaded_and_proved(first: Done, driven: None) -> None:
    assert "driver" in first.changed("vm")
    check_driver()
    assert "rebooting" not in first.output, "a first driver needs no reboot"
    again = deploy()
    assert again.statuses() == {"vm": "ok"}, "a second run changes nothing"


def test_the_driver_is_loaded_by_the_next_boot_itself(driven: None) -> None:
    before = machine.boot()
    # systemd's bus may not answer in time on a slow machine; once it is taken, it goes down
    until(lambda: "taken" in machine.run("systemctl reboot --no-block && echo taken", check=False))
    machine.answering(machine.BOOT, other=before)
    assert machine.boot() != before and loaded() == "5.10.10"
    # all is right but the proof, which is of the boot before
    told = [line for line in doctor().output.splitlines() if re.match(r"vm: \w+: ", line)]
    assert told == ["vm: smoke: ask the model"]
