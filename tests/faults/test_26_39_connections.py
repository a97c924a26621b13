"""26, 39: a host that is not who it was, does not let us in, or is there under two names."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab import hosts as lab
from tests.runs import LAB, SITE, Done, ends_right, mlufleet, refused
from tests.waiting import until

HOST = "u1604"
KEY = "/etc/ssh/ssh_host_ed25519_key"
SHOWN = f"ssh-keygen -l -f {KEY}.pub | cut -d' ' -f2"


@pytest.fixture
def changed(provisioned: Done) -> Iterator[tuple[str, str]]:
    """The host has new keys; fingerprints: the old one's, the new one's."""
    old = lab.run(HOST, SHOWN)
    lab.run(
        HOST,
        "mkdir /root/keys && mv /etc/ssh/ssh_host_* /root/keys && ssh-keygen -A && "
        "systemctl restart ssh",
    )
    yield old, lab.run(HOST, SHOWN)
    lab.run(HOST, "mv -f /root/keys/* /etc/ssh/ && rmdir /root/keys && systemctl restart ssh")


def test_26_a_changed_host_key_is_refused_with_both_fingerprints_and_not_tried_again(
    changed: tuple[str, str],
) -> None:
    place = lab.heard(HOST)
    done = mlufleet("deploy", LAB)
    assert done.status == 4
    assert done.statuses() == {HOST: "unreachable", "u1804": "ok", "c7": "ok"}
    failure = done.host(HOST)["failure"]
    assert failure["code"] == "HOST_KEY_CHANGED" and failure["remedy"] in done.output
    for fingerprint in changed:
        assert fingerprint in failure["sentence"]
    until(lambda: lab.heard_since(HOST, place, "Connection"))
    (line,) = lab.heard_since(HOST, place, "Connection")
    assert re.match(r"Connection (closed|reset) by .* \[preauth\]$", line)
    assert not lab.heard_since(HOST, place, "Accepted")


def test_26_once_the_key_is_the_known_one_again_the_host_is_right() -> None:
    ends_right(HOST)


def fleet(folder: Path, hosts: dict[str, dict[str, object]], **defaults: str) -> str:
    """An inventory of the lab's defaults with hosts of its own."""
    document = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())
    document["defaults"].update(defaults)
    document["hosts"] = hosts
    (folder / "fleet.yml").write_text(yaml.safe_dump(document))
    inventory = folder / "some.py"
    inventory.write_text(
        "from pathlib import Path\nfrom fleet.inventory import read\n"
        "some = read(Path(__file__).with_name('fleet.yml'))\n"
    )
    return str(inventory)


def entry() -> dict[str, object]:
    document = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())
    return dict(document["hosts"][HOST])


def test_26_a_key_that_nobody_knows_is_not_taken_for_the_hosts(
    provisioned: Done, tmp_path: Path
) -> None:
    (tmp_path / "known_hosts").write_text("")
    inventory = fleet(tmp_path, {HOST: entry()}, ssh_known_hosts_file=f"{tmp_path}/known_hosts")
    failure = refused(HOST, "HOST_KEY_UNKNOWN", inventory=inventory)
    assert "127.0.0.1" in failure["sentence"]
    assert (tmp_path / "known_hosts").read_text() == ""


def test_26_a_login_that_is_refused_has_a_code_of_its_own(
    provisioned: Done, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    refused(HOST, "AUTH", inventory=fleet(tmp_path, {HOST: entry()}, ssh_key=str(key)))


def test_39_one_machine_under_two_names_is_refused_before_anything_is_written(
    provisioned: Done, tmp_path: Path
) -> None:
    """By a name that only a pattern of ssh's configuration leads there: no inventory can tell."""
    (tmp_path / "config").write_text("Host tw*\n  HostName 127.0.0.1\n")
    beside = {"ssh_hostname": "twin", "data": {"ssh_config_file": f"{tmp_path}/config"}}
    inventory = fleet(tmp_path, {"one": entry(), "two": {**entry(), **beside}})
    lab.run(HOST, "rm /var/lib/mlufleet/stamps/smoke")  # there would be something to do
    before = lab.files(HOST)
    done = mlufleet("deploy", inventory)
    assert done.status == 2 and set(done.statuses().values()) == {"failed"}
    for name in ("one", "two"):
        failure = done.host(name)["failure"]
        assert failure["code"] == "DUPLICATE_HOST" and "one, two" in failure["sentence"]
    assert lab.files(HOST) == before
    assert ends_right(HOST).changed(HOST) == ["smoke"]
