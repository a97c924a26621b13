"""Another driver over one that is loaded, held open, and has options of the site's own.

One upgrade is long under emulation, so one serves all tests here.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.kernel.host import NEXT, deploy, loaded, refused, right, said, status
from tests.lab.vm import machine
from tests.runs import Done

OPTIONS = "/etc/modprobe.d/cambricon-drv.conf"
OWN = "options cambricon-drv check_en=0 launch_turbo=1"
#: a process of the host's own on a card
JOB = "systemd-run --unit job -q sh -c 'exec 9</dev/cambricon_dev1; exec sleep infinity'"


@dataclass
class Upgrade:
    pid: str
    users: int
    held: str  #: what modprobe says to unload it by hand
    boots: tuple[str, str]
    refusal: str
    #: between the two runs: loaded driver, its package, the job
    between: tuple[str, str, str]
    done: Done


@pytest.fixture(scope="module")
def upgrade(first: Done) -> Upgrade:
    """A run that may not touch the job's card, then one that may."""
    machine.restore("driven")
    machine.run(f"echo '{OWN}' >> {OPTIONS}; {JOB}")
    boot, pid = machine.boot(), machine.run("systemctl show -p MainPID --value job")
    users = int(machine.run("cat /sys/module/cambricon_drv/refcnt"))
    held = machine.run("modprobe -r cambricon_drv", check=False)
    refusal = said(refused("CARD_BUSY", *NEXT))
    between = (loaded(), status(), machine.run("systemctl is-active job", check=False))
    done = right(*NEXT, "--data", "evict=true")
    return Upgrade(pid, users, held, (boot, machine.boot()), refusal, between, done)


def test_a_process_that_holds_a_card_is_named_and_nothing_is_touched(upgrade: Upgrade) -> None:
    assert upgrade.users > 0 and upgrade.held.endswith("is in use.")
    assert f"sleep (pid {upgrade.pid})" in upgrade.refusal
    assert upgrade.between == ("5.10.10", "install ok installed 5.10.10", "active")


def test_where_the_inventory_allows_it_the_holder_is_ended(upgrade: Upgrade) -> None:
    assert machine.run("systemctl is-active job", check=False) != "active"
    assert f"evicting sleep ({upgrade.pid})" in upgrade.done.output


def test_the_old_module_gives_way_by_a_reboot_that_is_said(upgrade: Upgrade) -> None:
    assert "rebooting (5.10.10 is loaded)" in upgrade.done.output
    assert len(set(upgrade.boots)) == 2 and loaded() == "5.10.22"
    assert status() == "install ok installed 5.10.22"


def test_options_of_the_site_outlive_the_package_that_writes_their_file_anew(
    upgrade: Upgrade,
) -> None:
    assert OWN not in machine.run(f"cat {OPTIONS}").splitlines(), "the package wrote its own"
    read = "cd /sys/module/cambricon_drv/parameters; cat check_en launch_turbo virtcon_en"
    assert machine.run(read).split() == ["0", "1", "1"]
    (kept,) = [line for line in upgrade.done.host("vm")["kept"] if OPTIONS in line]
    assert OWN in machine.run(f"cat {kept.split(' as ')[1].split(',')[0]}").splitlines()


def test_a_run_after_it_changes_nothing(upgrade: Upgrade) -> None:
    assert deploy(*NEXT).statuses() == {"vm": "ok"}
