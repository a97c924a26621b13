"""12: a package that says success while the kernel refuses its module."""

from __future__ import annotations

from tests.faults.drivers import PACKAGE, loaded, status, told, unload, unpackage
from tests.lab import hosts as lab
from tests.runs import CONTAINER, LAB, Done, ends_right, mlufleet, refused
from tests.waiting import until


def test_12_a_module_that_does_not_load_fails_with_what_the_kernel_says(provisioned: Done) -> None:
    unpackage("u1604")
    unload("u1604")
    boot = lab.boot("u1604")
    with told("u1604", "module-does-not-load"):
        failure = refused("u1604", "MODULE_NOT_LOADED")
    assert status("u1604", PACKAGE) == "install ok installed"  # the vendor's word for it
    assert any("no enough MMIO space for PF bar0" in line for line in failure["tail"])
    assert "Cannot allocate memory" in failure["sentence"]
    assert lab.boot("u1604") == boot, "no reboot helps, so none is tried"
    ends_right("u1604")
    assert loaded("u1604") == "5.10.10"


def test_12_a_container_that_docker_cannot_start_yet_starts_after_the_driver(
    provisioned: Done,
) -> None:
    """As at a boot where dkms builds the module for a new kernel while docker starts."""
    lab.run(
        "u1604",
        "systemctl stop docker.socket docker && modprobe -r cambricon_drv &&"
        " systemctl start docker",
    )
    running = f"docker inspect -f '{{{{.State.Running}}}}' {CONTAINER}"
    assert lab.run("u1604", running) == "false"
    looked = mlufleet("doctor", LAB, "--limit", "u1604")
    assert looked.status == 2 and "it was to start before the driver was there" in looked.output
    lab.run("u1604", "systemctl start --no-block mlufleet-follow-driver; modprobe cambricon-drv")
    until(lambda: lab.run("u1604", running) == "true")
    ends_right("u1604")
