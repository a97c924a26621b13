"""Values of inventories that look as if something was said, and nothing was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.inventory import grouped, read


def _read(tmp_path: Path, text: str, ending: str = "yml") -> None:
    path = tmp_path / f"fleet.{ending}"
    path.write_text(text)
    read(str(path))


@pytest.mark.parametrize(
    "row",
    [
        "Count,,2",
        "COUNTA,,2",
        "Average,,8",
        "Gesamt,,16",
        "Anzahl,,2",
        "Gesamtsumme,,16",
        "数量,,2",
        "平均,,8",
    ],
)
def test_what_a_sheet_counts_is_no_host(row: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"fleet.csv:3: name: .*looks like a row of totals"):
        _read(tmp_path, f"name,ssh_hostname,cards\nmlu01,10.0.0.1,8\n{row}\n", "csv")


@pytest.mark.parametrize(
    "field",
    ["ssh_hostname", "ssh_user", "ssh_key", "sudo_password_file", "ssh_known_hosts_file", "store"],
)
def test_an_empty_text_says_nothing(field: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"fleet.yml:2: hosts.m1.{field}: empty: set a value"):
        _read(tmp_path, f"hosts:\n  m1: {{{field}: ''}}\n")


@pytest.mark.parametrize("address", ["10.0.0.01", "0.0.0.0", "224.0.0.1", "255.255.255.255"])
def test_the_swarm_has_no_address_that_no_host_has(address: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"fleet.yml:2: hosts.m1.swarm_address"):
        _read(tmp_path, f"hosts:\n  m1: {{swarm_address: {address}}}\n")


def test_errors_of_names_have_no_words_of_the_library(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as error:
        _read(tmp_path, "hosts:\n  'm*': {}\n  m1: {releases: {small: }}\n")

    assert "hosts.m*: 'm*' is not a host name" in str(error.value)
    assert "[key]" not in str(error.value)
    assert "None" not in str(error.value)


@pytest.mark.parametrize("name", ["all", "fleet"])
def test_no_host_has_the_name_of_all_of_them(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name} is the group of all hosts"):
        grouped([(name, {})])


def test_an_address_with_colons_is_told_from_its_port(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=re.escape("the same machine as m1 ([2001:db8::1]:22)")):
        _read(
            tmp_path,
            "hosts:\n  m1: {ssh_hostname: '2001:db8::1'}\n  m2: {ssh_hostname: '2001:DB8:0::1'}\n",
        )


def test_a_file_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as error:
        read(tmp_path / "none.csv")

    assert str(error.value) == f"{tmp_path}/none.csv: cannot be read: No such file or directory"
