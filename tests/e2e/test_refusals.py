"""Hosts that are refused before anything is done to them, and what is somebody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fleet.errors import FAILURE_TABLE
from tests.lab import hosts as lab
from tests.lab import lies
from tests.lab.vendor.docker_image import REFERENCE
from tests.runs import CONTAINER, LAB, WORK, Done, mlufleet, pyinfra, wait_for_rest

HOST = "u1604"
PACKAGE = "cambricon-mlu-driver-ubuntu16.04-dkms"
INSTALLED = f"dpkg-query -W -f '${{Version}}' {PACKAGE}"
BUSY = "systemctl is-active mlu-lab-busy"


def deploy(*options: str) -> Done:
    return mlufleet("deploy", "inventories/lab.py", "--limit", HOST, *options)


def refused(code: str, status: str = "failed") -> str:
    """What the report says of a host that is refused with a code and stays as it was."""
    before = wait_for_rest(HOST)
    done = deploy()
    assert done.status == 2 and done.statuses() == {HOST: status}
    failure = done.host(HOST)["failure"]
    assert (failure["code"], failure["remedy"]) == (code, FAILURE_TABLE[code][1])
    assert lab.listing(HOST) == before
    return str(failure["sentence"])


@pytest.fixture
def lie(request: pytest.FixtureRequest) -> Iterator[str]:
    lies.switch(HOST, request.param, True)
    yield request.param
    lies.switch(HOST, request.param, False)


@pytest.fixture(scope="module")
def undriven(provisioned: Done) -> Iterator[None]:
    """The driver's package is gone; its module is still loaded, because somebody uses it."""
    lies.switch(HOST, "busy-card", True)
    lab.run(HOST, f"apt-get purge -y {PACKAGE}")
    yield
    lies.switch(HOST, "busy-card", False)
    assert pyinfra("-y", "--limit", HOST).status == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("lie", "code"),
    [("card-rev-ff", "CARD_DROPPED"), ("card-off-bus", "CARDS_MISSING")],
    indirect=["lie"],
)
def test_a_lost_card_is_refused_with_its_remedy(provisioned: Done, lie: str, code: str) -> None:
    assert "0000:39:00.0" in refused(code)


@pytest.mark.long
@pytest.mark.parametrize(
    ("lie", "code"),
    [("no-headers", "HEADERS_MISSING"), ("secure-boot", "SECURE_BOOT")],
    indirect=["lie"],
)
def test_a_driver_that_could_not_be_built_or_loaded_is_not_begun(
    undriven: None, lie: str, code: str
) -> None:
    refused(code)


def test_a_process_on_a_card_stays_until_evict_is_said(undriven: None) -> None:
    assert "pid" in refused("CARD_BUSY", "skipped")
    assert lab.run(HOST, BUSY) == "active"
    done = deploy("--data", "evict=true")
    assert done.status == 0 and "driver" in done.changed(HOST)
    assert lab.run(HOST, INSTALLED) == "5.10.10"
    assert lab.run(HOST, BUSY, check=False) != "active"


@pytest.fixture
def container_of_kang(provisioned: Done) -> Iterator[str]:
    """What somebody else has beside the release: a container, and in it another clone."""
    name = CONTAINER.replace("mlufleet", "kang")
    toolkit = WORK.removesuffix("/pytorch1.9/baichuan")
    lab.run(HOST, f"git clone --quiet {toolkit} /home/kang/tutorial")
    mounts = "--volume /home/kang/tutorial:/home/share --device /dev/cambricon_ctl"
    lab.run(HOST, f"docker run -d --name {name} {mounts} {REFERENCE} sleep infinity")
    site = "/torch/venv3/pytorch/lib/python3.11/site-packages"
    lab.run(HOST, f"docker exec {name} mkdir {site}/tea-1.0.dist-info")
    yield name
    lab.run(HOST, f"docker rm -f {name}; rm -r /home/kang")


def test_a_look_for_adoption_writes_nothing_and_says_whose_things_are(
    container_of_kang: str,
) -> None:
    # git writes the index of a checkout in which a file only has another time, if it may
    lab.run(HOST, f"touch {WORK}/transformers/setup.py")
    before = wait_for_rest(HOST)
    done = mlufleet("adopt", LAB, "--limit", HOST, "--json")
    assert lab.listing(HOST) == before
    document = json.loads(done.output[done.output.index("{") : done.output.rindex("}") + 1])
    found = document["hosts"][HOST]
    assert (done.status, found["status"], found["blockers"]) == (0, "up to date", [])
    assert (document["sent_bytes"], found["lock"]) == (0, None)
    findings = {finding["item"]: finding for finding in found["findings"]}
    relations = {item: finding["relation"] for item, finding in findings.items()}
    assert relations["driver 5.10.10"] == relations["image"] == "present"
    container = findings[f"container {container_of_kang}"]
    assert (container["relation"], container["owner"]) == ("left alone", "kang")
    assert "packages installed since it was made: tea 1.0" in container["differences"]
    clone = findings["clones in /home/kang/tutorial"]
    assert clone["differences"][0].endswith(", as the release")
