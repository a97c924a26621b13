"""8, 9, 13: a reboot counts when another boot answers, and what it was for has come true."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.drivers import loaded, other, told
from tests.lab import hosts as lab
from tests.runs import Done, ends_right, refused

HASTE = ("--data", "reboot_timeout=20")


@pytest.fixture(scope="module", autouse=True)
def back(provisioned: Done) -> Iterator[None]:
    """Each test moves the host to its other driver; the last one leaves it where it belongs."""
    yield
    if loaded("u1604") != "5.10.10":
        ends_right("u1604")


def driven(*options: str) -> None:
    """One run ends right, with another driver, and touches nothing that does not depend on it."""
    changed = ends_right("u1604", *options).changed("u1604")
    assert "driver" in changed and not {"image", "migration"} & set(changed)


def test_8_a_host_that_stays_down_is_lost_by_its_deadline(provisioned: Done) -> None:
    there = other("u1604")
    lab.stays_off("u1604", True)
    try:
        failure = refused("u1604", "REBOOT_TIMED_OUT", *there, *HASTE)
    finally:
        lab.stays_off("u1604", False)
        lab.power_on("u1604")
    assert "no answer after 20 s" in failure["sentence"] and "BMC" in failure["remedy"]
    boot = lab.boot("u1604")
    ends_right("u1604", *there)
    assert lab.boot("u1604") == boot, "the boot that came by hand is as good as another"


def test_9_a_host_that_answers_from_the_same_boot_has_not_rebooted(provisioned: Done) -> None:
    there, before = other("u1604"), lab.boot("u1604")
    orders = lab.run("u1604", "grep -c 'ordered$' /var/lib/mlufleet/audit.log")
    with told("u1604", "reboot-ignored"):
        failure = refused("u1604", "REBOOT_TIMED_OUT", *there, *HASTE)
        assert lab.boot("u1604") == before
    assert "answers, but from the same boot" in failure["sentence"]
    given = lab.run("u1604", "grep -c 'ordered$' /var/lib/mlufleet/audit.log")
    assert int(given) - int(orders) == 2
    driven(*there)
    assert lab.boot("u1604") != before


def test_13_a_module_that_is_still_the_old_one_after_a_reboot_is_not_right(
    provisioned: Done,
) -> None:
    there, old, before = other("u1604"), loaded("u1604"), lab.boot("u1604")
    with told("u1604", "old-module-stays"):
        failure = refused("u1604", "DRIVER_NOT_PROVED", *there)
        assert lab.boot("u1604") != before and loaded("u1604") == old
    assert f"({old} is loaded)" in failure["sentence"]
    assert any("initial ramdisk" in line for line in failure["tail"])
    driven(*there)
    assert loaded("u1604") != old
