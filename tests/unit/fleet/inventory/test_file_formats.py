"""An address book of another kind: what to do is said, by our own commands and by pyinfra's."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_state

from fleet.inventory import host_selection, pyinfra_loader
from fleet.release.target import ReleaseTarget
from mlufleet.cli.main import main
from tests.unit.fleet.inventory.test_groups import INVENTORIES, beside, debug_inventory

ROOT = INVENTORIES.parent


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("lab.ods", "save it as SITE/lab.xlsx, and use that"),
        ("flete.yml", "no such inventory file; nearest: SITE/fleet.yml"),
        ("hosts.ini", "`cp inventories/ansible.example.py SITE/hosts.py`"),
        ("hosts.json", "`cp inventories/ansible.example.py SITE/hosts.py`"),
        ("hosts", "`cp inventories/ansible.example.py SITE/hosts.py`"),
        ("folder", "a folder: name an inventory in it (SITE/folder/own.py)"),
        ("fleets.py", "no such inventory file; nearest: SITE/fleet.py"),
        ("flet.py", "nearest: SITE/fleet.py"),
        ("gone/lab.py", "nearest: inventories/lab.py"),
    ],
)
def test_it_is_said_how_it_becomes_an_inventory(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.chdir(ROOT)
    beside(site)
    (site / "folder").mkdir()
    (site / "folder/own.py").write_text("hosts = ['a']\n")
    for file in ("lab.ods", "hosts.ini", "hosts.json", "hosts"):
        (site / file).write_text("hosts: {a: {}}\n")
    done = CliRunner().invoke(main, ["check", str(site / name)])
    assert done.exit_code == 3
    assert done.output.startswith(f"error: {site}/{name}: ")
    assert why.replace("SITE", str(site)) in done.output


@pytest.mark.parametrize("suffix", [".yml", ".yaml", ".csv"])
def test_a_copy_of_fleet_py_reads_what_has_its_name(
    site: Path, wanted: ReleaseTarget, suffix: str
) -> None:
    beside(site).rename(site / "lab.py")
    (site / "fleet.yml").unlink()
    rows = f"name,release,store\nmlu01,{site}/small.yml,{site}/store\n"
    hosts = f"hosts: {{mlu01: {{release: {site}/small.yml, store: {site}/store}}}}\n"
    (site / f"lab{suffix}").write_text(rows if suffix == ".csv" else hosts)
    assert [host.name for host in pyinfra_loader.load_inventory(str(site / "lab.py"))] == ["mlu01"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fleet.ods", "this kind of spreadsheet is not read"),
        ("inventories/typo.py", "no such inventory file; nearest: "),
        ("nobody-of-this-name", "the inventory has no hosts"),
    ],
)
def test_pyinfras_own_command_says_it_too(
    site: Path, wanted: ReleaseTarget, name: str, why: str
) -> None:
    """It would run the file, or go on without hosts and end well."""
    (site / "fleet.ods").touch()
    inventory = str(site / name) if name == "fleet.ods" else name
    done = debug_inventory(inventory)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert why in done.stdout + done.stderr


def test_the_projects_data_of_all_hosts_hold_wherever_an_inventory_lies(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (site / "own.py").write_text("hosts = ['a', ('b', {'_sudo': False})]\n")
    (a, b) = pyinfra_loader.load_inventory(str(site / "own.py"))
    assert a.data._sudo is True and b.data._sudo is False
    assert a.data.ssh_strict_host_key_checking == "yes"


def test_they_do_in_pyinfras_own_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ctx_state.set(State())
    found = Inventory((["a"], {}))
    assert host_selection.apply_limit(found, ()) is None
    (host,) = found
    assert host.data._sudo is True and host.data.ssh_strict_host_key_checking == "yes"
