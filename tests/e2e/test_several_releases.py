"""Several releases on one host: cards of their own, one driver, and each goes its own way."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

import pytest
import yaml

from tests.lab import hosts as lab
from tests.lab import paths
from tests.runs import CONTAINER, HOSTS, LAB, RELEASES, SITE, Done, mlufleet, needed_later

HOST, CARDS = "u1804", HOSTS["u1804"]
LIGHT, NEXT, BESIDE = (f"{RELEASES}/light{which}.yml" for which in ("", "-next", "-beside"))
MODEL = f"{RELEASES}/baichuan-7b-lab.yml"
INVENTORY = ".lab/several.py"
#: the container's cards, as the engine has them
NODES = "docker inspect --format '{{range .HostConfig.Devices}}{{.PathOnHost}} {{end}}' "
#: bytes of the smoke test's own files, and of what else is small
OTHERS = 1 << 16
#: what a run that touches something changes
TOUCHED = "wc -l < /var/lib/mlufleet/audit.log; docker ps --format {{.ID}}"


@pytest.fixture(scope="module", autouse=True)
def afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    """The host is what all of the lab's are again, where that is of use."""
    yield
    if needed_later(request):
        done = mlufleet("deploy", LAB, "--limit", HOST)
        assert done.status == 0, done.output
    lab.run(
        HOST,
        "docker rm -f light light-beside; docker image rm registry.lab/light:v1 "
        "registry.lab/light:v2",
        check=False,
    )


def inventory(releases: dict[str, str], **said: int | None) -> None:
    """The lab's, with these releases on the host."""
    fleet = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())
    fleet["hosts"] = {HOST: {**fleet["hosts"][HOST], "releases": releases, **said}}
    (SITE / ".lab/several.yml").write_text(yaml.safe_dump(fleet))
    (SITE / INVENTORY).write_text(
        "from pathlib import Path\nfrom fleet.inventory import grouped, read\n"
        'globals().update(grouped(read(Path(".lab/several.yml")), "lab"))\n'
    )


def deploy(*options: str) -> Done:
    return mlufleet("deploy", INVENTORY, *options)


def nodes(container: str) -> set[str]:
    said = lab.run(HOST, NODES + container).split()
    return {node.removeprefix("/dev/cambricon_") for node in said} - {"ctl"}


def test_a_second_release_comes_beside_and_the_first_keeps_what_it_has() -> None:
    assert mlufleet("deploy", LAB, "--limit", HOST).status == 0
    inventory({MODEL: "0-1", LIGHT: "3"})
    done = deploy()
    assert done.status == 0, done.output
    # another set of cards is another container; its trees and weights stay
    assert done.changed(HOST) == [
        *(f"{stage} of baichuan-7b-lab" for stage in ("container", "packages", "smoke")),
        "image of light",
        "container of light",
        "packages of light",
        "smoke of light",
    ]
    assert nodes(CONTAINER) == {"dev0", "ipcm0", "dev1", "ipcm1"}
    assert nodes("light") == {"dev3", "ipcm3"}
    assert "baichuan-7b-lab: " in done.host(HOST)["answer"]
    assert "light: light v1" in done.host(HOST)["answer"]
    run = done.report["run"]
    assert mlufleet("report", run).status == 0
    with (SITE / "runs" / run / "cards.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["release"] for row in rows] == ["baichuan-7b-lab"] * 2 + ["", "light"]


def test_nothing_is_done_again_and_what_one_lacks_is_done_for_it_alone() -> None:
    again = deploy()
    assert again.status == 0 and again.statuses() == {HOST: "ok"}
    there = lab.run(HOST, f"docker inspect --format {{{{.Id}}}} {CONTAINER}")
    lab.run(HOST, "docker rm -f light")
    done = deploy()
    assert done.status == 0
    assert done.changed(HOST) == ["container of light", "packages of light", "smoke of light"]
    assert there == lab.run(HOST, f"docker inspect --format {{{{.Id}}}} {CONTAINER}")


def test_a_host_with_several_goes_forward_and_back_as_a_whole() -> None:
    inventory({LIGHT: "0-1", BESIDE: "2-3"})
    first = deploy()
    # both have one image; the model's container is nobody's any more
    assert first.status == 0 and "image of light-beside" not in first.changed(HOST)
    assert set(lab.run(HOST, "docker ps --format {{.Names}}").split()) >= {"light", "light-beside"}
    assert CONTAINER not in lab.run(HOST, "docker ps -a --format {{.Names}}")
    inventory({NEXT: "0-1", BESIDE: "2-3"})
    forward = mlufleet("rollout", INVENTORY)
    assert forward.status == 0, forward.output
    assert forward.changed(HOST) == [
        f"{stage} of light-next" for stage in ("image", "container", "packages", "smoke")
    ]
    assert "light-next: light v2" in forward.host(HOST)["answer"]
    # of the next image, the host has all but some kilobytes
    size = (paths.STORE / "light-v2.tar").stat().st_size
    sent, reused = (forward.host(HOST)[name] for name in ("sent", "reused"))
    assert sent < OTHERS and size - OTHERS < reused < size
    assert any("1 of 3 layers in docker" in note for note in forward.host(HOST)["notes"])
    assert "light-v2" not in lab.run(HOST, "ls -R /var/lib/mlufleet/artifacts")
    back = mlufleet("rollback", INVENTORY)
    assert back.statuses() == {HOST: "rolled back"}, back.output
    assert lab.run(HOST, "docker exec light cat /answer") == "light v1"
    assert lab.run(HOST, "docker exec light-beside cat /answer") == "light v1"
    assert nodes("light-beside") == {"dev2", "ipcm2", "dev3", "ipcm3"}


def test_what_does_not_fit_is_refused_before_anything_is_touched() -> None:
    inventory({LIGHT: "0", NEXT: "1"})
    twice = deploy()
    assert twice.status == 3 and "container name light" in twice.output
    assert not twice.report["hosts"]
    before = lab.run(HOST, TOUCHED)
    inventory({LIGHT: "0", BESIDE: f"1,{CARDS}"})
    assert f"card {CARDS} does not exist: the {CARDS} cards" in deploy().output
    inventory({LIGHT: "0", BESIDE: f"1,{CARDS}"}, cards=None)  # the host alone knows how many
    beyond = deploy()
    assert beyond.host(HOST)["failure"]["code"] == "CARDS_MISSING"
    assert f"light-beside has card {CARDS}" in beyond.host(HOST)["failure"]["sentence"]
    assert before == lab.run(
        HOST, "wc -l < /var/lib/mlufleet/audit.log; docker ps --format {{.ID}}"
    )


def test_one_release_again_takes_all_cards_and_the_other_container_goes() -> None:
    inventory({LIGHT: "0-1", BESIDE: "2-3"})
    done = mlufleet("deploy", LAB, "--limit", HOST, "--data", f"release={LIGHT}")
    assert done.status == 0 and nodes("light") == {
        f"{kind}{n}" for n in range(CARDS) for kind in ("dev", "ipcm")
    }
    assert "light-beside" not in lab.run(HOST, "docker ps -a --format {{.Names}}")
    shown = json.loads(mlufleet("inventory", INVENTORY, "--json").output)["hosts"][HOST]
    assert shown["releases"] == {LIGHT: [0, 1], BESIDE: [2, 3]}
