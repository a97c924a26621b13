"""Moving a host to another driver and back; what stops it; hosts that cannot be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import hosts as lab
from tests.lab import lies
from tests.runs import LOADED, NEWER, SITE, Done, mlufleet, pyinfra


# for a .deb the faults of reboots show the same: tests/faults/test_8_9_13_reboots.py
@pytest.mark.parametrize("host", ["c7"])
def test_to_the_newer_driver_and_back_each_with_its_reboot(provisioned: Done, host: str) -> None:
    for options, version in ((NEWER, "5.10.22"), ((), "5.10.10")):
        before = lab.boot(host)
        done = pyinfra("-y", "--limit", host, *options)
        assert done.status == 0 and "driver" in done.changed(host)
        assert lab.run(host, LOADED) == version
        assert lab.boot(host) != before
        assert "image" not in done.changed(host) and "migration" not in done.changed(host)


def test_a_busy_card_stops_a_driver_change_and_names_the_process(provisioned: Done) -> None:
    lies.switch("u1604", "busy-card", True)
    try:
        done = mlufleet("deploy", "inventories/lab.py", "--limit", "u1604", *NEWER)
    finally:
        lies.switch("u1604", "busy-card", False)
    assert done.status == 2
    failure = done.host("u1604")["failure"]
    assert failure["code"] == "CARD_BUSY" and "pid" in failure["sentence"]
    assert lab.run("u1604", LOADED) == "5.10.10"


def test_28_a_host_that_is_not_there_leaves_the_others_to_finish(
    provisioned: Done, tmp_path: Path
) -> None:
    text = (SITE / ".lab/inventory.yml").read_text()
    (tmp_path / "fleet.yml").write_text(
        text + "  gone: {ssh_hostname: 127.0.0.1, ssh_port: 9, ssh_user: root}\n"
    )
    inventory = tmp_path / "some.py"
    inventory.write_text(
        "from pathlib import Path\nfrom fleet.inventory import read\n"
        "some = read(Path(__file__).with_name('fleet.yml'))\n_sudo = True\n"
    )
    options = ("--group-data", "inventories/group_data")
    done = mlufleet("deploy", str(inventory), *options)
    assert done.status == 4
    assert done.statuses()["gone"] == "unreachable"
    assert {s for n, s in done.statuses().items() if n != "gone"} == {"ok"}
    # one that failed as well weighs more
    refused = mlufleet("deploy", str(inventory), *options, "--data", "cards=9")
    assert refused.status == 2 and refused.statuses()["gone"] == "unreachable"
    assert {s for n, s in refused.statuses().items() if n != "gone"} == {"failed"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cards: 1", "cadrs: 1", "unknown field"),
        ("baichuan-7b-lab.yml", "no.yml", "no file"),
        ("ssh_key: ", "ssh_key: /none", "no such file: /none"),
    ],
)
def test_wrong_input_is_named_before_the_first_connection(
    provisioned: Done, tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = (SITE / ".lab/inventory.yml").read_text()
    assert old in text
    (tmp_path / "fleet.yml").write_text(text.replace(old, new))
    inventory = tmp_path / "some.py"
    inventory.write_text(
        "from pathlib import Path\nfrom fleet.inventory import read\n"
        "some = read(Path(__file__).with_name('fleet.yml'))\n"
    )
    plain = pyinfra("-y", inventory=str(inventory))
    assert plain.status != 0 and said in plain.output and "Connected" not in plain.output
    assert mlufleet("check", str(inventory)).status == 3
