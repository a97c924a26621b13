"""Commands are in groups, their former names still work, and every help text is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fleet.errors import ExitStatus
from mlufleet.cli.main import FORMER_NAMES, main
from mlufleet.cli.rollout import former_rollout

ROOT = Path(__file__).parents[4]
PLAN = {
    "--limit",
    "--exclude",
    "--data",
    "--canary",
    "--window",
    "--max-fail",
    "--keep-serving",
    "--pause",
    "--confirm",
    "--order",
    "--share-of",
    "--share",
    "--before",
    "--after",
    "--hook-timeout",
    "--uploads",
    "--loads",
    "--include-quarantined",
    "--wide",
}
#: former command -> the arguments and options that scripts may use with it
FORMER_PARAMETERS = {
    "check": {"inventory", "--full"},
    "drift": {"run", "--limit"},
    "fetch": {"releases", "--store", "--only", "--json"},
    "golden": {
        "inventory",
        "host",
        "--level",
        "--destructive",
        "--endpoints",
        "--file",
        "options",
    },
    "lock": {"release", "--store", "--quiet"},
    "lock-status": {"inventory", "options"},
    "new": {"name"},
    "report": {"run", "--wide"},
    "rollback": {"inventory", *PLAN},
    "show": {"release", "--inventory", "--host", "--variant"},
    "status": {"run", "--limit"},
    "unlock": {"inventory", "options"},
    "validate": {
        "inventory",
        "--level",
        "--destructive",
        "--again",
        "--list",
        "--json",
        "options",
    },
    "verify": {"releases", "--store", "--json"},
}
UNCHANGED = {
    "deploy": {"inventory", "--expect-digest", "--include-quarantined", "--wide", "options"},
    "doctor": {"inventory", "--json", "--wide", "options"},
    "explain": {"code", "--markdown"},
    "bundle": {"releases", "--store", "--inventory", "--sign", "-o", "--output"},
    "unbundle": {"file", "folder", "--signers", "--unsigned"},
}


def names_of(command: click.Command) -> set[str]:
    """The options of a command by all their spellings, its arguments by their names."""
    found: set[str] = set()
    for parameter in command.params:
        is_option = isinstance(parameter, click.Option)
        found |= set(parameter.opts) if is_option else {str(parameter.name)}
    return found


def commands(
    group: click.Group = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every group and command that help lists, by its path."""
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif not command.hidden:
            yield (*path, name), command


VISIBLE = dict(commands())


@pytest.mark.parametrize("name", FORMER_PARAMETERS)
def test_a_former_name_takes_what_it_took(name: str) -> None:
    former, present = main.commands[name], FORMER_NAMES[name]
    assert former.hidden and not present.hidden
    assert names_of(former) == names_of(present) == FORMER_PARAMETERS[name]
    assert former.callback is present.callback
    assert former.context_settings == present.context_settings


@pytest.mark.parametrize("name", UNCHANGED)
def test_commands_of_the_top_level_take_what_they_took(name: str) -> None:
    assert names_of(main.commands[name]) == UNCHANGED[name]
    assert not main.commands[name].hidden


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["rollout", "no-such.py"], "mlufleet rollout start"),
        (["rollout", "--canary", "2", "no-such.py"], "mlufleet rollout start"),
        (["rollout", "--resume"], "mlufleet rollout start"),
        (["inventory", "no-such.py"], "mlufleet inventory show"),
        (["inventory", "--json", "no-such.py"], "mlufleet inventory show"),
    ],
)
def test_a_group_still_takes_what_the_command_of_its_name_took(
    words: list[str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def invoke(context: click.Context, *arguments: object, **_: object) -> None:
        called.append(context.command_path)

    monkeypatch.setattr(click.Context, "invoke", invoke)
    assert CliRunner().invoke(main, words, prog_name="mlufleet").exit_code == 0
    assert called[-1] == path


def test_the_former_rollout_takes_all_that_it_took() -> None:
    assert names_of(former_rollout) == {"inventory", "--resume", "--run", *PLAN}
    start, resume = VISIBLE["rollout", "start"], VISIBLE["rollout", "resume"]
    assert names_of(start) == {"inventory", *PLAN}
    assert names_of(resume) == {"--run", "--wide", "--yes"}


@pytest.mark.parametrize(
    "words",
    [
        ["rollout", "--run", "x", "inv.py"],
        ["rollout", "--resume", "inv.py"],
        ["rollout", "stat"],
        ["inventory", "shwo"],
        ["releas"],
        ["release", "chek"],
        ["rollout", "--confirm", "x.py"],
    ],
)
def test_wrong_usage_has_the_exit_status_of_invalid_input(words: list[str]) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == ExitStatus.INVALID, done.output


@pytest.mark.parametrize("path", VISIBLE, ids=" ".join)
def test_help_has_examples_and_fits_a_terminal(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*path, "--help"], prog_name="mlufleet", terminal_width=80)
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert max(map(len, lines)) <= 80
    examples = [words for line in lines if (words := line.split())[:1] == ["mlufleet"]]
    assert any(tuple(words[1 : len(path) + 1]) == path for words in examples)
    for words in examples:
        assert tuple(words[1:3]) in VISIBLE or tuple(words[1:2]) in VISIBLE, words


def mentioned(text: str) -> Iterator[tuple[str, ...]]:
    """The commands that a page shows in code; "mlufleet broken: …" is what one prints."""
    code = re.findall(r"```.*?```|`[^`\n]+`|^    .*$", text, re.MULTILINE | re.DOTALL)
    for words in re.findall(r"\bmlufleet((?: [a-z][a-z-]*)+)(?![a-z:-])", "\n".join(code)):
        yield tuple(words.split())


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ],
    ids=lambda page: page.name,
)
def test_pages_show_commands_by_their_present_names(page: Path) -> None:
    for words in mentioned(page.read_text(encoding="utf-8")):
        command = VISIBLE.get(words[:1])
        assert command, words
        if isinstance(command, click.Group) and words[1:]:
            assert words[:2] in VISIBLE, words
