"""What a loaded module alone does not prove, and the way back."""

from __future__ import annotations

from tests import runs
from tests.kernel.host import INVENTORY, loaded, refused, release, said, status
from tests.lab.vm import machine

#: the driver is told of no cards any more, now and at every boot
NO_CARDS = """
sed -i '/^mkdir -p .etc.modprobe.d/,$d' /usr/lib/mlu-lab/cards
docker stop light && rm /etc/modprobe.d/mlu-lab.conf
modprobe -r cambricon_drv && modprobe cambricon-drv
"""


def test_a_module_that_loads_without_cards_is_no_driver(driven: None) -> None:
    machine.run(NO_CARDS)
    assert machine.run("lsmod | grep -c ^cambricon_drv") == "1"
    told = refused("DRIVER_NOT_PROVED")
    assert "make nodes /dev/cambricon_dev0" in said(told)
    assert "driver v5.10.10" in said(told), "what the kernel said is told"


def test_a_release_that_fails_goes_back_to_the_driver_before_it(driven: None) -> None:
    done = runs.mlufleet("rollout", INVENTORY, *release("kernel-broken"))
    assert done.status == 5 and done.statuses() == {"vm": "rolled back"}
    assert "Traceback" not in done.output
    told = (runs.SITE / "runs" / done.report["run"] / "vm.log").read_text()
    assert told.count("rebooting (") == 2, "there and back"
    assert "… installing driver 5.10.22" in told, "signs of life of a long step"
    assert loaded() == "5.10.10" and status() == "install ok installed 5.10.10"
    assert runs.mlufleet("doctor", INVENTORY).status == 0
