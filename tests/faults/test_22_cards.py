"""22: a card that is gone, has dropped, is refused or does not run; and the others, which do."""

from __future__ import annotations

import pytest

from tests.faults.drivers import told
from tests.lab import hosts as lab
from tests.runs import LAB, Done, ends_right, mlufleet, refused


def slots() -> list[str]:
    """Addresses of the cards that the host was built with."""
    return lab.run("u1804", "cut -d' ' -f1 /etc/mlu-lab/cards").split()


@pytest.mark.parametrize(
    ("lie", "code", "state"),
    [
        ("card-off-bus", "CARDS_MISSING", "gone"),
        ("card-rev-ff", "CARD_DROPPED", "dropped"),
    ],
)
def test_22_a_lost_card_is_named_and_the_others_are_still_reported(
    provisioned: Done, lie: str, code: str, state: str
) -> None:
    *works, last = slots()
    with told("u1804", lie):
        done = mlufleet("deploy", LAB, "--limit", "u1804")
        looked = mlufleet("doctor", LAB, "--limit", "u1804")
    failure = done.host("u1804")["failure"]
    assert done.status == 2 and failure["code"] == code and last in failure["sentence"]
    assert looked.status == 2 and code in looked.output
    assert done.host("u1804")["cards"] == {**dict.fromkeys(works, "CN_RUNNING"), last: state}
    assert f"u1804: degraded, 3 of 4 cards work: {works[0]} CN_RUNNING" in looked.output
    assert f"{last} {state}" in looked.output
    assert ends_right("u1804").statuses() == {"u1804": "ok"}


def test_22_a_card_that_does_not_run_is_never_called_right(provisioned: Done) -> None:
    *_, last = slots()
    core = f"/proc/driver/cambricon/mlus/{last}/core_state"
    lab.run("u1804", f"echo CN_BOOTERR > {core}")
    try:
        failure = refused("u1804", "CARD_UNHEALTHY")
        assert failure["sentence"].endswith(f"{last} (CN_BOOTERR)")
        looked = mlufleet("doctor", LAB, "--limit", "u1804")
        assert looked.status == 2 and "degraded, 3 of 4 cards work" in looked.output
    finally:
        lab.run("u1804", f"echo CN_RUNNING > {core}")
    ends_right("u1804")


def test_22_a_card_that_the_driver_refuses_is_named_with_the_kernels_reason(
    provisioned: Done,
) -> None:
    *_, last = slots()
    lab.run("u1804", "docker ps -q | xargs -r docker stop -t 1; modprobe -r cambricon_drv")
    with told("u1804", "card-without-node"):
        failure = refused("u1804", "DRIVER_NOT_PROVED")
    assert f"no driver runs {last}" in failure["sentence"]
    assert any(f"less than g3X8 PCIe Device BDF:{last}" in line for line in failure["tail"])
    ends_right("u1804")
