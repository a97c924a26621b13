from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import ExitStatus
from fleet.inventory import tree
from fleet.release.target import ReleaseTarget
from mlufleet.cli.main import main
from tests.unit.fleet.inventory.test_groups import beside

HOSTS = """\
  m[1-2].r[1-2]: {ssh_hostname: "10.0.{2}.{1}", ssh_user: root, cards: 8, groups: [hall, "r{2}"]}
  n1: {ssh_port: 2222, groups: [hall, odd]}
  o1: {groups: [odd]}
"""
TREE = """\
FLEET (6 hosts)
└── fleet (6 hosts)
    ├── hall (5 hosts)
    │   ├── r1 (2 hosts)
    │   │   ├── m1.r1  root@10.0.1.1:22  RELEASE  8 cards
    │   │   └── m2.r1  root@10.0.1.2:22  RELEASE  8 cards
    │   ├── r2 (2 hosts)
    │   │   ├── m1.r2  root@10.0.2.1:22  RELEASE  8 cards
    │   │   └── m2.r2  root@10.0.2.2:22  RELEASE  8 cards
    │   └── n1  n1:2222  RELEASE  cards: not set
    └── odd (2 hosts)
        ├── n1  n1:2222  RELEASE  cards: not set
        └── o1  o1:22  RELEASE  4 cards
"""


def shown(path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["inventory", str(path), *options])


@pytest.mark.parametrize("options", [(), ("--graph",)])
def test_the_tree_of_groups(site: Path, wanted: ReleaseTarget, options: tuple[str, ...]) -> None:
    path = beside(site, HOSTS.replace("groups: [odd]", "cards: 4, groups: [odd]"))
    done = shown(path, *options)
    text = done.output.replace(f"{site}/small.yml", "RELEASE").replace(str(path), "FLEET")
    assert (done.exit_code, text) == (0, TREE)


def test_the_same_as_json_with_group_data(site: Path, wanted: ReleaseTarget) -> None:
    path = beside(site, HOSTS)
    (site / "group_data").mkdir()
    (site / "group_data/odd.py").write_text("cards = 4\n")
    found = json.loads(shown(path, "--json").output)
    assert found["groups"]["hall"] == ["m1.r1", "m1.r2", "m2.r1", "m2.r2", "n1"]
    assert set(found["groups"]) == {"fleet", "hall", "r1", "r2", "odd"}
    assert found["hosts"]["n1"] == {
        "address": "n1",
        "port": 2222,
        "user": None,
        "release": f"{site}/small.yml",
        "cards": 4,
        "groups": ["fleet", "hall", "odd"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such inventory file"),
        ("all = []\n", "the inventory has no hosts"),
        ("x = (\n", "'(' was never closed"),
        ("all = ['@none/x']\n", "Invalid connector: none"),
        ("\n1 / 0\n", ":2: ZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_inventory_is_one_message(site: Path, text: str | None, said: str) -> None:
    path = site / "own.py"
    if text:
        path.write_text(text)
    done = shown(path)
    assert done.exit_code == ExitStatus.INVALID and done.output.startswith(f"error: {path}:")
    assert said in done.output


def test_wrong_hosts_are_told_with_file_and_line(site: Path, wanted: ReleaseTarget) -> None:
    done = shown(beside(site, "  m[2-1]: {}\n"))
    assert done.exit_code == ExitStatus.INVALID
    assert done.output.startswith(f"error: {site}/fleet.yml:3: hosts.m[2-1]")


GROUPS = st.dictionaries(st.text("abcd", max_size=2), st.lists(st.sampled_from("12345")))


@given(GROUPS)
def test_every_group_is_inside_of_the_smallest_wider_one(groups: dict[str, list[str]]) -> None:
    parents = tree.nest_groups(groups)
    assert parents.keys() == groups.keys()
    for name, parent in parents.items():
        wider = [other for other in groups if set(groups[other]) > set(groups[name])]
        assert (parent in wider) if wider else parent is None
        assert all(len(set(groups[str(parent)])) <= len(set(groups[other])) for other in wider)


def test_groups_of_the_same_hosts_are_shown_as_one() -> None:
    groups = {"fleet": ["a", "b"], "r1": ["a"], "own": ["b", "a"]}
    assert tree.merge_equal_groups(groups) == {"fleet, own": ["a", "b"], "r1": ["a"]}


@given(GROUPS)
def test_every_host_is_shown_in_every_group_of_its(groups: dict[str, list[str]]) -> None:
    said = {"address": "h", "port": 22, "user": None, "release": None, "cards": None}
    root = tree.build_tree("x", {"groups": groups, "hosts": dict.fromkeys("12345", said)})

    def below(branch: tree.Tree) -> set[str]:
        own = {str(child.label)[0] for child in branch.children if not child.children}
        return own.union(*map(below, branch.children))

    assert below(root) >= set("12345")
