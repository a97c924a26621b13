"""An image comes while the driver is installed; what ends the one ends the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.checksum.chunks import CHUNK_BYTES
from tests.faults.big import FORGET, HOST, INCOMING, Big, deploy_light
from tests.faults.drivers import loaded
from tests.journals import read_lines, read_new_lines
from tests.lab import hosts as lab
from tests.lab import traffic
from tests.runs import LAB, LIMIT, SITE, Done, begin, mlufleet, report_in
from tests.waiting import until

PADDING = 40 << 20
#: a driver that the host has not, and gets by a reboot
OTHER = "driver: {version: 5.10.22}\n"
#: somebody else's package manager, for so many seconds
HOLD = """systemd-run --unit theirs perl -e 'use Fcntl;
open F, ">>", "/var/cache/apt/archives/lock";
my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
fcntl(F, F_SETLK, $lock) or die $!; sleep '"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Big]:
    """A host that has neither this release's image nor its driver."""
    deploy_light()
    assert loaded(HOST) == "5.10.10"
    lab.run(HOST, FORGET, check=False)
    yield Big.made(tmp_path_factory.mktemp("other"), PADDING, OTHER)
    lab.run(HOST, FORGET, check=False)
    if loaded(HOST) != "5.10.10":
        deploy_light()


def hold(seconds: int) -> None:
    lab.run(HOST, f"{HOLD}{seconds}; systemctl reset-failed theirs 2>/dev/null; true", check=False)


def events(done: Done) -> list[dict[str, Any]]:
    found = read_lines(SITE / "runs" / done.report["run"])
    return [event for event in found if event["host"] == HOST]


def of_image(done: Done) -> list[dict[str, Any]]:
    return [e for e in events(done) if e["kind"] == "transfer" and e["title"] == "image"]


def at(done: Done, kind: str, **said: str) -> float:
    """When the one such event was."""
    (found,) = [e for e in events(done) if e["kind"] == kind and said.items() <= e.items()]
    return float(found["time"])


def parts() -> int:
    return int(lab.run(HOST, f"cat {INCOMING}/image.*.part 2>/dev/null | wc -c"))


def test_a_driver_that_fails_ends_what_is_on_its_way_and_gives_the_host_back(other: Big) -> None:
    hold(60)
    try:
        with traffic.slow(2, HOST):
            done = mlufleet(
                "deploy", LAB, "--limit", HOST, *other.options, "--data", "lock_timeout=3"
            )
            left = time.time()
    finally:
        lab.run(HOST, "systemctl stop theirs", check=False)
    assert done.status == 2 and done.host(HOST)["failure"]["code"] == "PACKAGE_LOCKED"
    (transfer,) = of_image(done)
    failed = at(done, "failed", code="PACKAGE_LOCKED")
    assert transfer["stage"] == "image" and 0 < transfer["sent"] < other.size
    assert transfer["time"] <= failed + 1 and left - failed < 10, "it is not waited for"
    until(lambda: not lab.run(HOST, "pgrep -x dd", check=False), seconds=5)
    assert 0 < parts() < other.size
    assert f"{HOST}: free" in mlufleet("lock-status", LAB, "--limit", HOST).output


def test_a_reboot_in_its_middle_ends_it_and_it_goes_on_afterwards(other: Big) -> None:
    there, boot = parts(), lab.boot(HOST)
    assert there, "the run before left a part"
    with traffic.slow(2, HOST):
        done = other.deploy()
    assert done.status == 0, done.output
    assert lab.boot(HOST) != boot and loaded(HOST) == "5.10.22"
    first, *_, last = transfers = of_image(done)
    assert len(transfers) > 1 and first["sent"] > 0 and last["sent"] > 0
    assert first["resumed"] >= there - 2 * CHUNK_BYTES and last["resumed"] > first["resumed"]
    assert first["resumed"] + first["sent"] < other.size == last["resumed"] + last["sent"]
    assert (
        at(done, "stage", stage="driver") < first["time"] < at(done, "stage-done", stage="driver")
    )
    assert lab.run(HOST, f"ls {INCOMING}") == ""


def test_an_image_comes_while_the_driver_is_installed(
    other: Big, tmp_path_factory: pytest.TempPathFactory
) -> None:
    big = Big.made(tmp_path_factory.mktemp("big"), PADDING)
    lab.run(HOST, FORGET, check=False)
    hold(LIMIT)
    known = set((SITE / "runs").glob("2*"))

    def has_arrived() -> bool:
        lines = read_new_lines(SITE / "runs", known)
        return any(line["kind"] == "transfer" and line["title"] == "image" for line in lines)

    with traffic.slow(8, HOST):
        run = begin("--limit", HOST, *big.options)
        until(lambda: has_arrived() or run.poll() is not None)
        lab.run(HOST, "systemctl stop theirs", check=False)
        output, _errors = run.communicate(timeout=LIMIT)
    done = Done(run.returncode, output, report_in(output))
    assert done.status == 0, done.output
    (transfer,) = of_image(done)
    driver = next(s for s in done.host(HOST)["stages"] if s["stage"] == "driver")
    began, ended = at(done, "stage", stage="driver"), at(done, "stage-done", stage="driver")
    arrived = transfer["time"]
    assert transfer["seconds"] > 5 and ended > arrived
    both = min(ended, arrived) - max(began, arrived - transfer["seconds"])
    assert both > 0.8 * min(driver["seconds"], transfer["seconds"])
    loads = at(
        done,
        "step",
        stage="image",
        title="loading the image (gigabytes are unpacked, this takes minutes)",
    )
    assert loads - began < driver["seconds"] + transfer["seconds"] - 0.5 * both
    assert done.host(HOST)["sent"] < big.size + CHUNK_BYTES, "nothing of it was sent twice"
