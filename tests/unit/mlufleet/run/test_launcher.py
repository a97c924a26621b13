"""Options of pyinfra's that are given to `mlufleet`: read before anything is connected."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import ExitStatus, InvalidInput
from mlufleet.run import deploy_process, launcher, pyinfra_options
from tests.unit import PROJECT


@pytest.mark.parametrize("option", ["--sudo-user", "--limit", "--data", "--shell-executable"])
def test_an_option_without_its_value_cannot_make_a_look_a_run(option: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{option}' requires an argument"):
        deploy_process.deploy_command("no-such-inventory.py", ("--dry", option))


def test_the_process_that_validates_says_what_is_invalid_and_the_command_ends_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    with pytest.raises(SystemExit) as ended:
        launcher.dry_run_report("no-such-inventory.py", ())
    assert ended.value.code == ExitStatus.INVALID
    said = capfd.readouterr()
    assert said.err.count("no-such-inventory.py") == 1 and not said.out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--parallel", "x"),
        ("--port", "22a"),
        ("--fail-percent", "half"),
        ("--retry", "1.5"),
    ],
)
def test_a_value_that_is_none_of_its_option_is_wrong_input(words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match="is not a valid"):
        pyinfra_options.parse_options(words)


def test_options_that_are_data_are_looked_at_as_data() -> None:
    said = pyinfra_options.parse_options(["--key", "/none", "--user", "ops", "--data", "cards=2"])

    assert pyinfra_options.parse_data(said["data"], said) == {
        "cards": 2,
        "ssh_key": "/none",
        "ssh_user": "ops",
    }


@pytest.mark.parametrize("word", ["cards", "=8", ""])
def test_data_without_a_name_are_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="KEY=VALUE"):
        pyinfra_options.parse_data([word])


@pytest.mark.parametrize(
    "options, said",
    [
        (("--limit", "m1"), ("-y", "--limit", "m1")),
        (("--dry",), ("--dry",)),
        (("--yes",), ("--yes",)),
    ],
)
def test_nobody_is_asked_whether_to_go_on(options: tuple[str, ...], said: tuple[str, ...]) -> None:
    assert deploy_process.deploy_command("fleet.py", options) == [
        *("pyinfra", "fleet.py", "deploy.py"),
        *said,
    ]
