"""What the tests on a real kernel do with the tool, and read of the host."""

from __future__ import annotations

from tests import runs
from tests.lab.vm import disk, machine
from tests.runs import Done

INVENTORY = "inventories/kernel.py"
PACKAGE = "cambricon-mlu-driver-ubuntu20.04-dkms"


def module() -> str:
    """Where DKMS puts the module."""
    return f"/lib/modules/{disk.kernel()}/updates/dkms/cambricon-drv.ko"


def release(name: str) -> tuple[str, ...]:
    """Options for another release than the inventory's."""
    return ("--data", f"release=.lab/kernel/releases/{name}.yml")


NEXT = release("kernel-next")


def deploy(*options: str) -> Done:
    return runs.mlufleet("deploy", INVENTORY, *options)


def doctor(*options: str) -> Done:
    return runs.mlufleet("doctor", INVENTORY, *options)


def right(*options: str) -> Done:
    """One run ends right, and a look agrees."""
    done = deploy(*options)
    assert done.status == 0 and done.statuses()[machine.NAME] in ("ok", "changed"), done.output
    assert doctor(*options).status == 0
    return done


def refused(code: str, *options: str) -> dict[str, object]:
    """One run fails with this code. Returns the failure."""
    return runs.refused(machine.NAME, code, *options, inventory=INVENTORY)


def loaded() -> str:
    """Version of the driver that runs the cards; empty when none does."""
    return machine.run(f"{{ {runs.LOADED}; }} 2>/dev/null", check=False)


def status() -> str:
    """What dpkg says of the driver: "install ok installed 5.10.10"; empty when it knows none."""
    asked = f"dpkg-query -W -f '${{Status}} ${{Version}}' {PACKAGE} 2>/dev/null"
    return machine.run(asked, check=False)


def check_driver() -> None:
    """Check that the first driver is installed, built for this kernel, and runs both cards."""
    assert loaded() == "5.10.10" and status() == "install ok installed 5.10.10"
    assert machine.run(f"modinfo -F vermagic {module()}").split()[0] == machine.run("uname -r")
    nodes = machine.run("stat -c '%a %n' /dev/cambricon_* | sort").splitlines()
    assert nodes == [
        f"666 /dev/cambricon_{name}" for name in ("ctl", "dev0", "dev1", "ipcm0", "ipcm1")
    ]
    assert machine.run("dmesg | grep -c 'MLU370-X8 boot ok'") == "2"


def said(failure: dict[str, object]) -> str:
    """All that a failure tells."""
    return "\n".join([str(failure["sentence"]), *map(str, failure["tail"])])  # type: ignore[call-overload]
