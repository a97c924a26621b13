from __future__ import annotations

from pathlib import Path

import pytest

from fleet import inventory
from fleet.release.target import ReleaseTarget
from tests.unit.fleet.inventory.test_host_file import refused, written


def test_a_range_is_many_hosts_each_with_its_own_values(site: Path, wanted: ReleaseTarget) -> None:
    for number in ("01", "02"):
        (site / f"mlu{number}.password").write_text("x")
    entries = inventory.read(
        written(
            site,
            f"  mlu[01-02].rack[1-2]:\n    ssh_hostname: 10.0.{{1:d}}.{{2}}\n"
            f"    sudo_password_file: {site}/mlu{{1}}.password\n"
            "    groups: ['rack{2}']\n    cards: 8\n    data: {tags: ['{name}']}\n"
            "  single: {data: {text: '{name}'}}\n",
        )
    )
    names = ["mlu01.rack1", "mlu01.rack2", "mlu02.rack1", "mlu02.rack2", "single"]
    assert [name for name, _ in entries] == names
    said = entries[2][1]
    assert said["ssh_hostname"] == "10.0.2.1" and said["groups"] == ("rack1",)
    assert said["sudo_password_file"] == f"{site}/mlu02.password"
    assert said["tags"] == ["mlu02.rack1"] and said["cards"] == 8
    assert entries[4][1]["text"] == "{name}", "only a range has placeholders"


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (
            "  m[1-3]: {}\n  m[3-5]: {}\n",
            "6: m3 (of m[3-5]) is defined twice, first in SITE/fleet.yml:5 (of m[1-3])",
        ),
        (
            "  m2: {}\n  m[1-3]: {}\n",
            "6: m2 (of m[1-3]) is defined twice, first in SITE/fleet.yml:5 (of m2)",
        ),
        ("  m[1,1]: {}\n", "5: m1 (of m[1,1]) is defined twice"),
        ("  a: {}\n  m[1-: {}\n", "6: hosts.m[1-: 'm[1-': unbalanced or nested brackets"),
        ("  m[9-1]: {}\n", "5: hosts.m[9-1]: [9-1]: 1 comes before 9"),
        ("  m[1-2]: {ssh_hostname: h}\n", "5: m2: the same machine as m1 (h:22)"),
        ("  m[1-2]: {ssh_hostname: 'h{2}'}\n", "5: m1: unknown placeholder {2}"),
        (
            "  m[1-2]: {sudo_password_file: '/no/{1}'}\n",
            "5: m1: sudo_password_file: no such file: /no/1",
        ),
        ("  m[1-2]:\n    ssh_prot: 1\n", "6: hosts.m[1-2].ssh_prot: unknown field"),
        ("  m[1-2]: {groups: ['rack{name}', 'x{1}y z']}\n", "5: hosts.m[1-2].groups.1: "),
        ("  m[all,x]: {groups: ['{1}']}\n", "5: mall: invalid group name 'all'"),
        ("  m: {groups: ['rack{1}']}\n", "5: m: invalid group name 'rack{1}'"),
        ("  m[1-9999]: {}\n  n[1-2]: {}\n", "6: more than 10000 hosts"),
        ("  m[07-10]: {ssh_hostname: '10.0.0.{1}'}\n", "5: m07: ssh_hostname: 10.0.0.07: octets"),
        ("  10.0.[08-09].1: {}\n", "5: 10.0.08.1: name: 10.0.08.1: octets"),
        ("  m[a-b]: {ssh_hostname: '{1:d}'}\n", "5: ma: {1:d}: a is not a number"),
        ("  m[1-2]: {groups: [m1]}\n", "5: m2: its group m1 has the name of a host"),
    ],
)
def test_a_range_that_is_wrong_is_told_with_its_line(
    site: Path, wanted: ReleaseTarget, hosts: str, said: str
) -> None:
    assert refused(site, hosts).startswith(f"{site}/fleet.yml:{said.replace('SITE', str(site))}")
