from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.error_codes import ACTIONS, POWER_CYCLE
from fleet.errors import InvalidInput, render_reference
from fleet.release.target import ReleaseTarget
from fleet.store.targets import load_host_target
from mlufleet.cli.main import main
from mlufleet.run.launcher import validate_inventory
from mlufleet.watch.problems import OWN_CODES
from tests.unit import PROJECT


def native(site: Path, **data: object) -> str:
    """An inventory in Python, as pyinfra's own users have it."""
    path = site / "hosts.py"
    path.write_text(f"all = [('a', {data!r})]\n")
    return str(path)


def test_a_native_inventory_is_read_as_pyinfra_reads_it(site: Path, wanted: ReleaseTarget) -> None:
    release, store = str(site / "small.yml"), str(site / "store")
    inventory = native(site, release=release, store=store, groups=4, cards=2)
    assert validate_inventory(inventory) == [
        ("a", load_host_target({"release": release, "store": store}))
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("release", 5, "a: release: expected a string, got 5"),
        ("release", ["x"], "a: release: "),
        ("release", "", "a has no `release`"),
        ("cards", "two", "a: cards: expected an integer, got 'two'"),
        ("smoke", "sometimes", "a: smoke: expected 'auto', 'always' or 'record', got 'sometimes'"),
    ],
)
def test_wrong_values_in_it_are_told_before_the_first_connection(
    site: Path, wanted: ReleaseTarget, name: str, value: object, said: str
) -> None:
    data = {"release": str(site / "small.yml"), "store": str(site / "store"), name: value}
    inventory = native(site, **data)
    with pytest.raises(InvalidInput) as error:
        validate_inventory(inventory)
    assert str(error.value).startswith(f"{inventory}: {said}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--data", "cards=two"), "INVENTORY: a: cards: expected an integer, got 'two'"),
        (("--data=release=nope",), "INVENTORY: a: release 'nope': no file"),
        (("--limit", "a", "--data", "cards"), "--data cards: "),
    ],
)
def test_so_are_wrong_values_of_the_command_line(
    site: Path, wanted: ReleaseTarget, options: tuple[str, ...], said: str
) -> None:
    inventory = native(site, release=str(site / "small.yml"), store=str(site / "store"))
    with pytest.raises(InvalidInput) as error:
        validate_inventory(inventory, options)
    assert str(error.value).startswith(said.replace("INVENTORY", inventory))
    right = ("--dry", "--data", f"release={site / 'small.yml'}", "--data", "cards=2")
    assert [name for name, _ in validate_inventory(inventory, right)] == ["a"]


def test_the_page_of_failure_codes_is_the_table() -> None:
    page = PROJECT / "docs/failures.md"
    assert page.read_text() == render_reference(), "mlufleet explain --markdown > docs/failures.md"


def test_a_code_is_explained_with_its_suggested_action() -> None:
    result = CliRunner().invoke(main, ["explain", "card-dropped"])
    assert result.exit_code == 0 and f"POWER_CYCLE ({ACTIONS[POWER_CYCLE]})" in result.stdout


def test_every_code_of_the_history_is_explained() -> None:
    for code, known in OWN_CODES.items():
        result = CliRunner().invoke(main, ["explain", code])
        assert result.exit_code == 0 and known.remedy in result.stdout


def test_help_and_status_load_neither_pyinfra_nor_models_nor_tables() -> None:
    for words in (["--help"], ["status", "20000101-000000-1"], ["explain", "SUDO"]):
        code = (
            "import sys\nfrom mlufleet.cli.main import main\n"
            f"try: main({words!r})\nexcept SystemExit: pass\n"
            "print(sorted({'pyinfra', 'paramiko', 'pydantic', 'yaml', 'rich'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


def test_pyinfra_tells_wrong_input_of_an_inventory_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "fleet.yml").write_text("hosts: {a: {cards: two}}\n")
    inventory = tmp_path / "fleet.py"
    inventory.write_text(
        "from pathlib import Path\nfrom fleet.inventory import read\n"
        "fleet = read(Path(__file__).with_suffix('.yml'))\n"
    )
    words = [sys.executable, "-m", "pyinfra", "-y", str(inventory), "exec", "--", "true"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "host_file.py" in done.stderr or "loading.py" in done.stderr
    assert f"{inventory.with_suffix('.yml')}:1: hosts.a.cards: " in done.stderr
