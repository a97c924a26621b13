"""Another driver over one that is loaded: idle, held open, or with options of the site's own."""

from __future__ import annotations

import pytest

from tests.kernel.host import MODULE, NEXT, deploy, doctor, loaded, refused, right, said, status
from tests.lab.vm import machine

OPTIONS = "/etc/modprobe.d/cambricon-drv.conf"
#: a job that holds a card through docker's absence: a process of the host's own
JOB = "systemd-run --unit job -q sh -c 'exec 9</dev/cambricon_dev1; exec sleep infinity'"


def test_an_idle_old_module_gives_way_by_a_reboot_that_is_said(driven: None) -> None:
    before = machine.boot()
    done = right(*NEXT)
    assert "rebooting (5.10.10 is loaded)" in done.output
    assert machine.boot() != before and loaded() == "5.10.22"
    assert status() == "install ok installed 5.10.22"


def test_a_process_that_holds_a_card_is_named_and_nothing_is_touched(driven: None) -> None:
    machine.run(JOB)
    pid = machine.run("systemctl show -p MainPID --value job")
    # the kernel's own count is what a lie about a holder would have to fake
    assert int(machine.run("cat /sys/module/cambricon_drv/refcnt")) > 0
    assert machine.run("modprobe -r cambricon_drv", check=False).endswith("is in use.")
    failure = refused("CARD_BUSY", *NEXT)
    assert f"sleep (pid {pid})" in said(failure)
    assert loaded() == "5.10.10" and status() == "install ok installed 5.10.10"
    assert machine.run("systemctl is-active job") == "active"


def test_where_the_inventory_allows_it_the_holder_is_ended_and_the_driver_goes_on(
    driven: None,
) -> None:
    machine.run(JOB)
    right(*NEXT, "--data", "evict=true")
    assert machine.run("systemctl is-active job", check=False) != "active"
    assert loaded() == "5.10.22"


def test_options_of_the_site_outlive_the_package_that_writes_their_file_anew(driven: None) -> None:
    machine.run(f"echo 'options cambricon-drv check_en=0 launch_turbo=1' >> {OPTIONS}")
    done = right(*NEXT)
    assert "launch_turbo" not in machine.run(f"grep -v ^# {OPTIONS}"), "the package wrote its own"
    read = "cd /sys/module/cambricon_drv/parameters; cat check_en launch_turbo virtcon_en"
    assert machine.run(read).split() == ["0", "1", "1"]
    (kept,) = [line for line in done.host("vm")["kept"] if OPTIONS in line]
    copy = kept.split(" as ")[1].split(",")[0]
    assert "launch_turbo=1" in machine.run(f"cat {copy}")
    # what is in place stays so, and is not told again
    again = deploy(*NEXT)
    assert again.statuses() == {"vm": "ok"}


@pytest.mark.parametrize("options", [(), NEXT], ids=["first", "upgrade"])
def test_a_build_that_fails_says_the_compilers_own_words_and_leaves_what_was(
    request: pytest.FixtureRequest, options: tuple[str, ...]
) -> None:
    request.getfixturevalue("driven" if options else "bare")
    header = "$(readlink -f /lib/modules/*/build)/../linux-headers-6.1.0-55-common/include"
    machine.run(f"mv {header}/linux/miscdevice.h /root/")
    boot, was = machine.boot(), loaded()
    failure = refused("DRIVER_INSTALL", *options)
    assert "linux/miscdevice.h: No such file or directory" in said(failure)
    assert loaded() == was and machine.boot() == boot
    if options:
        assert "driver 5.10.10 stays" in said(failure)
        assert status() == "install ok installed 5.10.10"
        machine.run(f"test -f {MODULE}")
        assert doctor().status == 0, "what the host was, it still is"
    else:
        assert "installed" not in status().replace("not-installed", "")
        assert machine.run("dpkg --audit") == ""
    machine.run(f"mv /root/miscdevice.h {header}/linux/")
    right(*options)
