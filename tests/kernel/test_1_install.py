"""From bare to an answering model on a kernel of its own; this much `make test` runs as well."""

from __future__ import annotations

import re

from tests.kernel.host import deploy, doctor, loaded, module, status
from tests.lab.vm import machine
from tests.runs import Done, until


def test_a_bare_host_gets_its_module_built_loaded_and_proved(first: Done, driven: None) -> None:
    assert "driver" in first.changed("vm") and loaded() == "5.10.10"
    assert status() == "install ok installed 5.10.10"
    assert machine.run(f"modinfo -F vermagic {module()}").split()[0] == machine.run("uname -r")
    nodes = machine.run("stat -c '%a %n' /dev/cambricon_* | sort").splitlines()
    assert nodes == [
        f"666 /dev/cambricon_{name}" for name in ("ctl", "dev0", "dev1", "ipcm0", "ipcm1")
    ]
    assert machine.run("dmesg | grep -c 'MLU370-X8 boot ok'") == "2"
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
