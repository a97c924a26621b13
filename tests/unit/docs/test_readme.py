"""The examples of docs/inventory.md work, and README.md stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from fleet import inventory
from fleet.inventory import HostData
from fleet.release.target import ReleaseTarget
from tests.unit import PROJECT
from tests.unit.fleet.inventory.test_groups import limited, loaded

ROOT = PROJECT
PAGE = (ROOT / "docs/inventory.md").read_text()


def snippets(kind: str, site: Path) -> list[str]:
    """The blocks of a kind, with a release and a store of this test's."""
    found = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    own = {
        "baichuan-7b": f"{site}/small.yml",
        "artifacts": f"{site}/store",
        "/etc/ansible/": f"{site}/",
        "lab.csv": f"{site}/lab.csv",
    }
    return [re.sub("|".join(own), lambda word: own[word[0]], text) for text in found]


def test_the_ranges(site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(site))
    (site / "passwords").mkdir()
    names = [f"mlu{n:02}.rack{rack}" for n in range(1, 41) for rack in (1, 2)]
    for name in names:
        (site / "passwords" / name).write_text("x")
    text, several, chinese = snippets("yaml", site)
    (site / "fleet.yml").write_text(text)
    entries = inventory.read(site / "fleet.yml")
    assert [name for name, _ in entries] == names
    assert entries[15][0] == "mlu08.rack2" and entries[15][1]["ssh_hostname"] == "10.0.2.8"
    (host,) = yaml.safe_load(several)["hosts"].values()
    cards = HostData.model_validate(host).releases or {}
    assert sorted(cards.values()) == [(0, 1, 2, 3), (4, 6)]
    assert list(yaml.safe_load(chinese)["hosts"]) == ["机柜1-节点[01-08]"]


def test_the_tables(site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    text, chinese = snippets("csv", site)
    (site / "fleet.csv").write_text(text)
    entries = inventory.read(site / "fleet.csv")
    assert len(entries) == 41 and entries[7][1]["location"] == "Hall 2, row 08"
    assert entries[7][1]["groups"] == ("rack1", "x8")
    (site / "artifacts").symlink_to(site / "store")
    monkeypatch.chdir(site)
    (site / "fleet.csv").write_text(chinese)
    entries = inventory.read(site / "fleet.csv")
    assert [name for name, _ in entries] == [f"机柜1-节点{n:02}" for n in range(1, 9)]
    assert entries[7][1]["ssh_hostname"] == "10.0.1.8" and entries[7][1]["cards"] == 8


def test_inventories_in_python(site: Path, wanted: ReleaseTarget) -> None:
    own, of_ansible = snippets("python", site)
    (site / "lab.csv").write_text(f"name,store,groups\na,{site}/store,r\nb,{site}/store,\n")
    (site / "own.py").write_text(own)
    assert limited(loaded(site / "own.py"), "lab") == {"a", "b"}
    (site / "hosts").write_text("[rack]\nc\n")
    (site / "ansible.py").write_text(of_ansible)
    assert limited(loaded(site / "ansible.py"), "rack") == {"c"}


def test_every_field_of_a_host_is_in_the_table_of_them() -> None:
    table = PAGE[PAGE.index("| field | meaning |") : PAGE.index("### Addresses")]
    fields = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(inventory.HostData.model_fields) == set(re.findall(r"`(\w+)`", fields))


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
