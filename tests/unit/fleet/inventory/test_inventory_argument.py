"""A list of hosts as INVENTORY: the same fleet, without a file of Python around it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from openpyxl import Workbook

from fleet.errors import InvalidInput
from fleet.inventory import host_selection, inventory_argument, pyinfra_loader
from fleet.release.target import ReleaseTarget
from mlufleet.cli.main import main
from mlufleet.run import launcher
from tests.unit import PROJECT
from tests.unit.fleet.inventory.test_groups import beside, debug_inventory


def write_hosts(site: Path, suffix: str, address: str = "10.0.0.2") -> Path:
    """Write the hosts m1 and m2, m1 in the group rack1, as a file of this kind."""
    path = site / f"hosts{suffix}"
    release, store = str(site / "small.yml"), str(site / "store")
    rows = [
        ("name", "ssh_hostname", "groups", "release", "store"),
        ("m1", "10.0.0.1", "rack1", release, store),
        ("m2", address, "", release, store),
    ]
    if suffix == ".xlsx":
        book = Workbook()
        for row in rows:
            book.worksheets[0].append(row)
        book.save(path)
    elif suffix == ".csv":
        path.write_text("".join(",".join(row) + "\n" for row in rows))
    else:
        path.write_text(
            f"defaults: {{release: {release}, store: {store}}}\nhosts:\n"
            "  m1: {ssh_hostname: 10.0.0.1, groups: [rack1]}\n"
            f"  m2: {{ssh_hostname: {address}}}\n"
        )
    return path


KINDS = (".yml", ".yaml", ".csv", ".xlsx")


@pytest.mark.parametrize("suffix", KINDS)
def test_its_hosts_groups_and_group_data_are_those_of_pyinfra(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(PROJECT)
    (site / "group_data").mkdir()
    (site / "group_data/rack1.py").write_text("place = 'hall 1'\n")
    hosts = pyinfra_loader.load_inventory(str(write_hosts(site, suffix)))
    assert {name: [host.name for host in group] for name, group in hosts.groups.items()} == {
        "fleet": ["m1", "m2"],
        "rack1": ["m1"],
        "hosts": ["m1", "m2"],
    }
    assert [host.data.get("place") for host in hosts] == ["hall 1", None]
    assert all(host.data._sudo for host in hosts)


@pytest.mark.parametrize("suffix", KINDS)
def test_a_run_is_held_to_what_the_file_says(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(PROJECT)
    path = write_hosts(site, suffix)
    before = launcher.validate_digests(str(path))
    write_hosts(site, suffix, "10.0.0.3")
    after = launcher.validate_digests(str(path))
    assert (before["m1"], list(after)) == (after["m1"], ["m1", "m2"])
    assert before["m2"] != after["m2"]
    assert list(launcher.validate_digests(str(path), ["--limit", "rack1"])) == ["m1"]


@pytest.mark.parametrize("suffix", [".yml", ".xlsx"])
def test_pyinfras_own_command_reads_it_and_leaves_nothing_behind(
    site: Path, wanted: ReleaseTarget, suffix: str
) -> None:
    path = write_hosts(site, suffix)
    before = sorted(site.rglob("*"))
    done = debug_inventory(path, "--json")
    assert done.returncode == 0, done.stderr
    assert '"m1"' in done.stdout and "10.0.0.2" in done.stdout
    assert sorted(site.rglob("*")) == before


def test_it_says_what_the_python_file_beside_it_says(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    wrapped = beside(site)
    shown = [
        CliRunner().invoke(main, ["inventory", "show", "--json", str(path)]).output
        for path in (wrapped, wrapped.with_suffix(".yml"))
    ]
    assert shown[0] == shown[1] and list(json.loads(shown[0])["hosts"]) == [
        "m01",
        "m02",
        "n1",
        "o1",
    ]


@pytest.mark.parametrize(
    ("suffix", "place"), [(".yml", "4"), (".csv", "3"), (".xlsx", " Sheet!B3")]
)
def test_what_is_wrong_is_told_with_its_place(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch, suffix: str, place: str
) -> None:
    monkeypatch.chdir(PROJECT)
    path = write_hosts(site, suffix, "10.0.0.02")
    with pytest.raises(InvalidInput) as error:
        pyinfra_loader.load_inventory(str(path))
    assert str(error.value).startswith(f"{path}:{place}: m2: ssh_hostname: ")


def test_a_pyinfra_that_reads_inventories_otherwise_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("pyinfra_cli.inventory._get_groups_from_filename")
    with pytest.raises(RuntimeError, match=r"has no _get_groups_from_filename"):
        inventory_argument.patch_pyinfra()


def test_hosts_and_groups_may_have_chinese_names(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    rows = "机柜1-节点[01-02]，10.0.1.{1:d}，机柜1\n机柜2-节点01，10.0.2.1，机柜2\n"
    text = f"主机名，地址，分组，发布版本，制品库\n{rows}".replace(
        "\n", f"，{site}/small.yml，{site}/store\n"
    ).replace(f"制品库，{site}/small.yml，{site}/store", "制品库")
    path = site / "集群.csv"
    path.write_bytes(text.encode("gb18030"))
    (site / "group_data").mkdir()
    (site / "group_data/机柜1.py").write_text("place = '二层'\n", encoding="utf-8")
    hosts = pyinfra_loader.load_inventory(str(path))
    assert [host.data.get("place") for host in hosts] == ["二层", "二层", None]
    for limit in ("机柜1-节点[01-02]", "机柜1", "机柜1*", "机柜1-节点01，机柜1-节点02"):
        selected = host_selection.apply_limit(hosts, [limit]) or []
        assert [host.name for host in selected] == ["机柜1-节点01", "机柜1-节点02"]
    with pytest.raises(InvalidInput, match=r"no such host or group: 机柜3"):
        host_selection.apply_limit(hosts, ["机柜3"])
