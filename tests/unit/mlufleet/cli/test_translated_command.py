"""The language of commands: what chooses it, and the help in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from babel.messages.extract import extract_from_dir
from click.testing import CliRunner

from fleet import language
from mlufleet.cli.main import main
from mlufleet.cli.translated_command import TranslatedCommand, find_language_option
from tools.messages import CLICK_MESSAGES


@pytest.fixture(autouse=True)
def no_language(speak: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without a language."""
    speak("")
    for name in (*language.LOCALE_VARIABLES, "TERM"):
        monkeypatch.setenv(name, "")


def run(*words: str) -> str:
    """What a command prints."""
    return CliRunner().invoke(main, words).output


def list_commands(group: click.Group = main) -> Iterator[click.Command]:
    """All commands, and the groups."""
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from list_commands(command)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--lang", "zh_CN", "explain"], "zh_CN"),
        (["--lang=zh", "explain"], "zh"),
        (["--version", "--lang", "en"], "en"),
        (["--lang="], ""),
        (["--lang"], None),
        (["run", "status", "--lang", "zh_CN"], None),
        ([], None),
    ],
)
def test_the_option_stands_before_the_name_of_the_command(
    words: list[str], wanted: str | None
) -> None:
    assert find_language_option(words) == wanted


@pytest.mark.parametrize(
    ("option", "variable", "locale", "wanted"),
    [
        ("zh_CN", "en", "en_US.UTF-8", "用法："),
        ("en", "zh_CN", "zh_CN.UTF-8", "Usage: "),
        ("", "zh_CN", "en_US.UTF-8", "用法："),
        ("", "en", "zh_CN.UTF-8", "Usage: "),
        ("", "", "zh_CN.UTF-8", "用法："),
        ("", "", "", "Usage: "),
        ("tlh", "zh_CN", "zh_CN.UTF-8", "Usage: "),
    ],
)
def test_the_option_counts_before_the_variable_and_that_before_the_locale(
    option: str, variable: str, locale: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLUFLEET_LANG", variable)
    monkeypatch.setenv("LANG", locale)
    options = [f"--lang={option}"] if option else []
    assert run(*options, "run", "status", "--help").startswith(wanted)


def test_help_is_translated_and_the_command_stays_as_it_is() -> None:
    shown = run("--lang", "zh", "run", "status", "--help")
    assert "  显示 RUN 的进度（默认为最近一次运行）。\n" in shown
    assert "选项：\n" in shown and "显示本帮助后退出\n" in shown
    assert "\n    mlufleet run status --limit rack1\n" in shown
    listed = run("--lang", "zh", "run", "--help")
    assert "  status  显示 RUN 的进度（默认为最近一次运行）\n" in listed
    assert "Show the progress of RUN (default: the latest run)." in run(
        "--lang", "en", "run", "status", "--help"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("watch",), "错误：缺少参数 'INVENTORY'."),
        (("watch",), "用 'main watch --help' 查看帮助。"),
        (("explain", "--made-up"), "错误：没有选项 '--made-up'。"),
        (("run", "report", "a", "b", "c"), "错误：多余的参数（b c）"),
    ],
)
def test_click_speaks_the_language_too(words: tuple[str, ...], said: str) -> None:
    assert said in run("--lang", "zh_CN", *words)


def test_every_command_is_translated_when_it_is_shown() -> None:
    assert [one.name for one in list_commands() if not isinstance(one, TranslatedCommand)] == []


def test_the_messages_of_click_are_those_of_the_installed_click() -> None:
    folder = Path(click.__file__).parent
    found = extract_from_dir(
        folder, [("**.py", "python")], keywords={"_": None, "ngettext": (1, 2)}
    )
    known = {message for _file, _line, message, _comments, _context in found} | {"required"}
    assert [message for message in CLICK_MESSAGES if message not in known] == []
