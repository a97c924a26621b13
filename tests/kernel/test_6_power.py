"""The power goes while dkms compiles, or while dpkg has unpacked and not configured."""

from __future__ import annotations

import pytest

from tests.kernel.host import INVENTORY, doctor, loaded, status
from tests.lab.vm import machine
from tests.runs import begin, until


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("pgrep -x cc1", id="dkms"),
        pytest.param("dpkg-query -W -f '${Status}' 'cambricon-mlu-driver*' | grep -E"
                     " 'unpacked|half'", id="dpkg"),
    ],
)  # fmt: skip
def test_a_power_cut_in_the_middle_is_repaired_by_the_same_run(bare: None, moment: str) -> None:
    before = machine.boot()
    run = begin(inventory=INVENTORY)
    until(lambda: machine.run(moment, check=False), seconds=600)
    machine.power_off()
    machine.power_on()
    output, _ = run.communicate(timeout=1200)
    assert run.returncode == 0, output
    assert machine.boot() != before
    assert status() == "install ok installed 5.10.10" and loaded() == "5.10.10"
    assert machine.run("dpkg --audit") == ""
    assert doctor().status == 0
