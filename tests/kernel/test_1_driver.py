"""A driver on a kernel of its own, and no more: this much `make test` runs as well."""

from __future__ import annotations

import os
import signal

from tests.journals import read_new_lines
from tests.kernel.host import INVENTORY, check_driver
from tests.lab.vm import machine
from tests.runs import SITE, begin, report_in
from tests.waiting import until


def test_a_bare_host_gets_its_module_built_and_loaded_and_then_the_run_is_stopped(
    bare: None,
) -> None:
    known = set((SITE / "runs").glob("2*"))
    run = begin(inventory=INVENTORY)

    def driver_is_there() -> bool:
        done = [e for e in read_new_lines(SITE / "runs", known) if e["kind"] == "stage-done"]
        return any(event["stage"] == "driver" for event in done) or run.poll() is not None

    until(driver_is_there, seconds=1200)
    # an emulated docker needs twice the time of all before for what the other hosts prove
    os.killpg(run.pid, signal.SIGINT)
    output = run.communicate(timeout=300)[0]
    assert run.returncode == 130, output
    told = report_in(output)["hosts"][machine.NAME]
    assert [s["stage"] for s in told["stages"] if s["changes"]] == ["driver"]
    assert "rebooting" not in output, "a first driver needs no reboot"
    check_driver()
