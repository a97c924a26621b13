"""Killed or without power in every stage, on a real kernel: it ends where one run alone would."""

from __future__ import annotations

from functools import partial

from tests.faults.kills import Target, alone, chain, points, system
from tests.kernel.host import INVENTORY, module
from tests.lab.vm import machine
from tests.lab.vm import up as vm

#: seconds under emulation, where nothing else runs
SPANS = {"driver": 40, "image": 12, "container": 8, "packages": 8, "smoke": 20}


def test_a_host_struck_in_every_stage_becomes_what_one_run_alone_makes(vm_host: None) -> None:
    kernel = f"dpkg --audit; dkms status; modinfo -F vermagic {module()}; lsmod | cut -d' ' -f1"
    target = Target(
        machine.NAME,
        INVENTORY,
        SPANS,
        f"{system('light')}{kernel} | grep cambricon",
        machine.run,
        partial(machine.restore, vm.BARE),
        machine.power_off,
        machine.power_on,
    )
    (sample,) = points(target.spans, len(SPANS), seed=2)
    assert {point.power for point in sample} == {True, False}
    assert chain(target, sample, alone(target)) == []
