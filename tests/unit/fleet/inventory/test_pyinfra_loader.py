"""Inventories that a site writes in Python, for pyinfra: wrong ones are told, never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.inventory import pyinfra_loader
from fleet.inventory.host_selection import InventoryNames
from fleet.release.target import HostTarget
from mlufleet.run import host_checks


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "own.py"


@pytest.mark.parametrize(
    "content, told",
    [
        (b"import sys; sys.exit()", "it calls sys.exit"),
        (b"raise SystemExit(0)", "it calls sys.exit"),
        (b"hosts = [('m1', None)]", r"write each as a name or \(name, {field: value}\)"),
        (b"hosts = ['']", "write each as a name"),
        (b"hosts = [(['m1'], {})]", "write each as a name"),
        ("# caf\xe9\nhosts = []".encode("latin-1"), "own.py:1: not UTF-8"),
        (b"ok = 1\n\nhosts = '\xff'", "own.py:3: not UTF-8"),
        (b"hosts = ['m1']\0", r"own.py:1: .*null bytes"),
    ],
)
def test_what_is_no_inventory_is_wrong_input(content: bytes, told: str, written: Path) -> None:
    written.write_bytes(content)

    with pytest.raises(InvalidInput, match=told):
        pyinfra_loader.load_inventory(str(written))


def test_a_name_that_no_file_can_have_is_wrong_input() -> None:
    with pytest.raises(InvalidInput, match="too long"):
        pyinfra_loader.load_inventory("x" * 300 + ".py")


def test_an_inventory_near_a_wrong_name_is_named_once() -> None:
    with pytest.raises(InvalidInput) as error:
        pyinfra_loader.load_inventory("inventories/flet.py")

    assert str(error.value).count("inventories/fleet.py") == 1


@pytest.mark.parametrize(
    "host, told",
    [
        ("'@local'", "LocalConnector"),
        ("'@docker/ubuntu'", "DockerConnector"),
        ("('m1', {'ssh_port': 'ssh'})", "ssh_port: 'ssh' is not a port"),
        ("('m1', {'ssh_port': 0})", "ssh_port: 0 is not a port"),
        ("('m1', {'ssh_port': 70000})", "ssh_port: 70000 is not a port"),
        ("('m1', {'ssh_user': '-oProxyCommand=x'})", "not a login name"),
        ("('m1', {'sudo_password_file': '/none'})", "sudo_password_file: no such file: /none"),
        ("('m1', {'ssh_known_hosts_file': '/none'})", "ssh_known_hosts_file: no such file: /none"),
        ("('../m1', {'ssh_hostname': '10.0.0.1'})", "is not a host name"),
        ("('m 1', {'ssh_hostname': '10.0.0.1'})", "has a blank"),
        ("('m1', {'swarm_address': '10.0.0.01'})", "is not an IPv4 address"),
    ],
)
def test_hosts_that_cannot_be_meant_are_refused(
    host: str, told: str, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.store.targets.load_host_target", lambda data: None)
    written.write_text(f"hosts = [{host}]")
    found = pyinfra_loader.load_inventory(str(written), {"release": "small"})

    with pytest.raises(InvalidInput, match=told):
        host_checks.check_hosts("own.py", found)


def test_ports_as_text_are_ports(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = HostTarget((), written.parent)
    monkeypatch.setattr("fleet.store.targets.load_host_target", lambda data: nothing)
    written.write_text("hosts = [('m1', {'ssh_port': '22'}), ('m2', {'ssh_port': 2222})]")

    assert (
        len(
            host_checks.check_hosts(
                "own.py", pyinfra_loader.load_inventory(str(written), {"release": "small"})
            )
        )
        == 2
    )


def test_a_group_without_hosts_is_nobody() -> None:
    with pytest.raises(InvalidInput, match="the group rack9 has no hosts"):
        InventoryNames(["m1"], {"rack9": []}).select_hosts(["rack9"])
