"""The host's power or the controller goes in the middle: the next run ends right by itself."""

from __future__ import annotations

import os
import signal

import pytest

from tests.kernel.host import INVENTORY, PACKAGE, loaded, module, right, status
from tests.lab.steps import LabError
from tests.lab.vm import machine
from tests.runs import begin
from tests.waiting import until

WITHOUT_HEADERS = (
    "dpkg --purge --force-depends $(dpkg-query -W -f '${Package}\\n' 'linux-headers-*'"
    " 'linux-kbuild-*' 'linux-compiler-*')"
)


DKMS = "pgrep -x 'cc1|as'"


def now(moment: str) -> bool:
    try:
        return machine.run(moment, check=False) != ""
    except LabError:  # it has not answered in time
        return False


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(DKMS, id="dkms"),
        pytest.param(
            f"dpkg-query -W -f '${{Status}}' {PACKAGE} 2>/dev/null | grep -E 'unpacked|half'",
            id="dpkg",
        ),
    ],
)
def test_a_first_driver_that_the_power_ended(bare: None, moment: str) -> None:
    machine.run(WITHOUT_HEADERS, timeout=300)
    run = begin("--data", "reconnect_timeout=15", inventory=INVENTORY)
    until(lambda: now(moment), seconds=400)
    machine.power_off()
    output, _ = run.communicate(timeout=300)
    print(output)
    assert run.returncode in (2, 4) and "CONNECTION_LOST" in output
    assert "installing the headers of kernel" in output, "they came from the release's own files"
    machine.power_on()
    assert status() != "install ok installed 5.10.10", "the power went before the end"
    right()
    assert loaded() == "5.10.10" and machine.run("dpkg --audit") == ""
    assert machine.run(f"modinfo -F vermagic {module()}").split()[0] == machine.run("uname -r")


def test_a_first_driver_whose_controller_was_killed_is_gone_on_with(bare: None) -> None:
    run = begin(inventory=INVENTORY)
    until(lambda: now(DKMS), seconds=400)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    right()
    assert loaded() == "5.10.10" and status() == "install ok installed 5.10.10"
    assert (
        machine.run("grep -c 'driver.*installing driver.*start' /var/lib/mlufleet/audit.log") == "1"
    )
