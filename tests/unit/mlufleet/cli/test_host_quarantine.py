"""`mlufleet host quarantine` and `unquarantine`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleet import quarantine
from mlufleet.cli.main import main

INVENTORY = "inventories/fleet.py"
HOSTS = """\
rack1 = [("mlu01", {"ssh_hostname": "10.0.0.1", "release": "light", "my_token": "x1"}), "mlu02"]
rack2 = ["mlu03"]
"""
HOOK = (
    'echo "$MLUFLEET_HOST $MLUFLEET_ADDRESS $MLUFLEET_RELEASE $MLUFLEET_STATUS $MLUFLEET_CODE'
    ' $MLUFLEET_REASON" >> told; env >> environment; exit 0'
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventories").mkdir()
    (tmp_path / INVENTORY).write_text(HOSTS)
    return tmp_path


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["host", *words], catch_exceptions=False)


def test_hosts_go_out_of_service_and_back(site: Path) -> None:
    assert call("quarantine", INVENTORY, "rack1", "--reason", " cards drop ").exit_code == 0
    marks = quarantine.load(site / "quarantine.yml")
    assert list(marks) == ["mlu01", "mlu02"]
    assert marks["mlu01"].reason == "cards drop" and "@" in marks["mlu01"].by

    again = call("quarantine", INVENTORY, "mlu0[2-3]", "--reason", "other", "--code", "card-busy")
    assert again.exit_code == 0 and "mlu02: was already" in again.stdout
    marks = quarantine.load(site / "quarantine.yml")
    assert [one.code for one in marks.values()] == ["", "", "CARD_BUSY"]

    assert call("unquarantine", INVENTORY, "mlu01", "rack2").exit_code == 0
    none = call("unquarantine", INVENTORY, "mlu01")
    assert none.exit_code == 0 and "mlu01: is not in quarantine" in none.stdout
    assert list(quarantine.load(site / "quarantine.yml")) == ["mlu02"]


def test_list(site: Path) -> None:
    nothing = call("quarantine", INVENTORY, "--list")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    entry = quarantine.Quarantine.begin("kang@ops", "gone", "CARD_GONE", 0)
    quarantine.add(site / "quarantine.yml", {"mlu99": entry})
    call("quarantine", INVENTORY, "mlu01", "--reason", "cards drop")
    listed = call("quarantine", INVENTORY, "--list").stdout.splitlines()
    assert "no such host" in listed[0] and "no such host" not in listed[1]
    found = json.loads(call("quarantine", INVENTORY, "--list", "--json").stdout)
    assert found["file"] == str(site / "quarantine.yml")
    assert [(one["host"], one["in_inventory"]) for one in found["hosts"]] == [
        ("mlu99", False),
        ("mlu01", True),
    ]
    assert found["hosts"][0] == {
        "host": "mlu99",
        "since": "1970-01-01T00:00:00Z",
        "by": "kang@ops",
        "reason": "gone",
        "code": "CARD_GONE",
        "in_inventory": False,
    }
    # a host that has left the inventory can be released
    assert call("unquarantine", INVENTORY, "mlu99").exit_code == 0
    assert list(quarantine.load(site / "quarantine.yml")) == ["mlu01"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("quarantine", INVENTORY, "mlu1", "--reason", "x"), "nearest: mlu01"),
        (("quarantine", INVENTORY, "mlu01"), "--reason is missing"),
        (("quarantine", INVENTORY, "mlu01", "--reason", "  "), "--reason is missing"),
        (("quarantine", INVENTORY, "mlu01", "--reason", "a\nb"), "one line"),
        (("quarantine", INVENTORY, "mlu01", "--reason", "x" * 501), "one line"),
        (("quarantine", INVENTORY, "--reason", "x"), "missing HOST"),
        (("quarantine", INVENTORY, "mlu01", "--reason", "x", "--code", "card_bsy"), "CARD_BUSY"),
        (("quarantine", INVENTORY, "mlu01", "--list"), "--list"),
        (("quarantine", INVENTORY, "mlu01", "--json"), "--json"),
        (("unquarantine", INVENTORY, "mlu1"), "nearest: mlu01"),
        (("unquarantine", INVENTORY), "missing HOST"),
        (("unquarantine", "inventories/flet.py", "mlu01"), "inventories/fleet.py"),
    ],
)
def test_errors(site: Path, words: tuple[str, ...], said: str) -> None:
    result = call(*words)
    assert result.exit_code == 3 and said in result.stderr
    assert not (site / "quarantine.yml").exists()


def test_a_file_that_is_not_valid_is_an_error(site: Path) -> None:
    (site / "quarantine.yml").write_text("hosts:\n  mlu01: {}\n")
    for words in (("mlu02", "--reason", "x"), ("--list",)):
        result = call("quarantine", INVENTORY, *words)
        assert result.exit_code == 3 and "quarantine.yml:2: hosts.mlu01.since" in result.stderr


def test_hook_is_run_for_each_host_that_changes(site: Path) -> None:
    options = ("--reason", "two words", "--code", "CARD_DROPPED", "--hook", HOOK)
    call("quarantine", INVENTORY, "mlu02", "--reason", "x")
    assert call("quarantine", INVENTORY, "rack1", *options).exit_code == 0
    assert call("unquarantine", INVENTORY, "mlu01", "--hook", HOOK).exit_code == 0
    assert (site / "told").read_text().splitlines() == [
        "mlu01 10.0.0.1 light quarantined CARD_DROPPED two words",
        "mlu01 10.0.0.1 light released CARD_DROPPED two words",
    ]
    assert "x1" not in (site / "environment").read_text()


def test_hook_that_fails_is_told_and_the_mark_stays(site: Path) -> None:
    options = ("--reason", "x", "--hook", "echo no such node; exit 7")
    result = call("quarantine", INVENTORY, "mlu01", *options)
    assert result.exit_code == 2
    assert "mlu01: HOOK" in result.stderr and "no such node" in result.stderr
    assert list(quarantine.load(site / "quarantine.yml")) == ["mlu01"]
