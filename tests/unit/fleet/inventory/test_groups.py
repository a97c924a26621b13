"""Through pyinfra's own reading of an inventory file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_state
from pyinfra_cli.cli import _get_inventory_pattern_matches
from pyinfra_cli.exceptions import UnexpectedExternalError
from pyinfra_cli.inventory import make_inventory_from_files

from fleet import inventory
from fleet.errors import InvalidInput
from fleet.release.target import ReleaseTarget
from tests.unit import PROJECT
from tests.waiting import PATIENCE_S

INVENTORIES = PROJECT / "inventories"
HOSTS = "  m[01-02]: {cards: 8, groups: [rack1]}\n  n1: {groups: [r-2, rack1]}\n  o1: {}\n"


def debug_inventory(
    inventory: str | Path, *options: str, cwd: Path = PROJECT, **env: str
) -> subprocess.CompletedProcess[str]:
    """What pyinfra's own command says of an inventory."""
    return subprocess.run(
        [sys.executable, "-m", "pyinfra", str(inventory), "debug-inventory", *options],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def beside(site: Path, hosts: str = HOSTS) -> Path:
    """The repository's own fleet.py in a site, with a fleet.yml."""
    shutil.copy(INVENTORIES / "fleet.py", site / "fleet.py")
    (site / "fleet.yml").write_text(
        f"defaults: {{release: {site}/small.yml, store: {site}/store}}\nhosts:\n{hosts}"
    )
    return site / "fleet.py"


def loaded(path: Path) -> Inventory:
    ctx_state.set(State())
    return make_inventory_from_files(str(path), cwd=str(path.parent))


def limited(hosts: Inventory, pattern: str) -> set[str]:
    return {host.name for host in _get_inventory_pattern_matches(hosts, [pattern], "--limit")}


def test_groups_of_hosts_are_groups_of_pyinfra(site: Path, wanted: ReleaseTarget) -> None:
    hosts = loaded(beside(site))
    assert [host.name for host in hosts] == ["m01", "m02", "n1", "o1"]
    assert limited(hosts, "rack1") == {"m01", "m02", "n1"}
    assert limited(hosts, "r-2") == {"n1"}
    assert limited(hosts, "fleet") == {"m01", "m02", "n1", "o1"}
    assert set(hosts.groups) == {"fleet", "rack1", "r-2"}


def test_group_data_reach_the_hosts_of_a_group(site: Path, wanted: ReleaseTarget) -> None:
    path = beside(site)
    (site / "group_data").mkdir()
    (site / "group_data/rack1.py").write_text("place, cards = 'hall 1', 4\n")
    (site / "group_data/fleet.py").write_text("place = 'somewhere'\n")
    hosts = loaded(path)
    assert {host.name: host.data.get("place") for host in hosts} == {
        "m01": "hall 1",
        "m02": "hall 1",
        "n1": "hall 1",
        "o1": "somewhere",
    }
    assert [host.data.get("cards") for host in hosts] == [8, 8, 4, None]


def test_a_table_beside_fleet_py_is_read_as_well(site: Path, wanted: ReleaseTarget) -> None:
    path = beside(site)
    (site / "fleet.yml").unlink()
    (site / "fleet.csv").write_text(
        f"name;release;store;groups\na;{site}/small.yml;{site}/store;r\n"
    )
    assert limited(loaded(path), "r") == {"a"}


def why(path: Path) -> str:
    with pytest.raises((InvalidInput, UnexpectedExternalError)) as error:
        loaded(path)
    cause = getattr(error.value, "exception", error.value)
    assert isinstance(cause, InvalidInput)
    return str(cause)


def test_two_inventories_beside_fleet_py_are_refused(site: Path, wanted: ReleaseTarget) -> None:
    path = beside(site)
    (site / "fleet.csv").write_text("name\n")
    assert why(path).startswith(f"{site}/fleet.yml:1: fleet.yml and fleet.csv exist")


def test_no_inventory_beside_fleet_py(site: Path) -> None:
    path = beside(site)
    (site / "fleet.yml").unlink()
    assert why(path).startswith(f"{site}/fleet.yml: cannot be read")


@pytest.mark.parametrize("hosts", ["  fleet: {}\n  b: {}\n", "  a: {groups: [fleet]}\n  b: {}\n"])
def test_the_group_of_all_is_of_all(site: Path, wanted: ReleaseTarget, hosts: str) -> None:
    assert ": fleet is the group of all hosts" in why(beside(site, hosts))


@pytest.mark.parametrize("name", ["_x", "all", "ungrouped", "a b", "a,b", "r*", "", "{1}"])
def test_what_pyinfra_would_not_take_for_a_group_is_refused(
    site: Path, wanted: ReleaseTarget, name: str
) -> None:
    assert why(beside(site, f"  a: {{groups: ['{name}']}}\n")).startswith(f"{site}/fleet.yml:3: ")


@pytest.mark.parametrize("suffix", ["yml", "csv"])
def test_the_examples_are_right(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """In a home and with a release of this test's."""
    monkeypatch.setenv("HOME", str(site))
    monkeypatch.chdir(site)
    for name in (".ssh/id_ed25519", ".mlu03", ".mlu11"):
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text("x")
    text = (INVENTORIES / f"fleet.example.{suffix}").read_text()
    text = text.replace("baichuan-7b", f"{site}/small.yml").replace("artifacts", "store")
    (site / f"fleet.{suffix}").write_text(text)
    entries = inventory.read(site / f"fleet.{suffix}")
    assert [name for name, _ in entries][:2] == ["mlu01", "mlu02"] and len(entries) == 3
    assert entries[1][1]["ssh_hostname"] == "10.0.1.2"
