"""The help of every command in Chinese."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from fleet.language import CHINESE
from mlufleet.cli.main import main

#: three words or more in a row are a sentence, unless they are a command
SENTENCE = re.compile(r"(?<![`/\w-])[A-Za-z]?[a-z]+(?: [a-z]+){2,}(?![`/\w-])")
CODE = re.compile(r"`[^`]*`")


@pytest.fixture(autouse=True)
def chinese(speak: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """All commands speak Chinese, on a terminal of 80 columns."""
    speak(CHINESE)
    monkeypatch.setenv("COLUMNS", "80")


def list_paths(
    command: click.Command = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The words that lead to each command that help lists."""
    yield path
    for name, child in command.commands.items() if isinstance(command, click.Group) else ():
        if not child.hidden:
            yield from list_paths(child, (*path, name))


@pytest.mark.parametrize("path", list(list_paths()), ids=" ".join)
def test_help_fits_80_columns_and_has_no_english_sentence(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*path, "--help"])
    usage, *lines = shown.output.splitlines()
    assert shown.exit_code == 0 and usage.startswith("用法：")
    text = [line for line in lines if not line.startswith("    mlufleet ")]  # no example
    assert [line for line in (usage, *text) if cell_len(line) > 80] == []
    joined = CODE.sub("", "\n".join(text).replace("\n  ", " "))
    assert SENTENCE.findall(joined) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("watch",), "缺少参数 'INVENTORY'"),
        (("explain", "--made-up"), "没有选项 '--made-up'。"),
        (("watch", "x", "--keep-days", "0"), "0 不在范围 1<=x<=36500 内。"),
        (
            ("rollout", "start", "x", "--order", "z"),
            "'z' 不是 'inventory', 'name', 'random' 之一。",
        ),
        (("--lang",), "选项 '--lang' 需要 1 个参数。"),
        (("bundle", "x"), "缺少选项 '-o' / '--output'"),
        (("run", "report", "a", "b"), "多余的参数（b）"),
    ],
)
def test_wrong_arguments_are_told_in_chinese(words: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert f"错误：{said}" in done.output or f"的值无效：{said}" in done.output


def test_shell_completion_shows_the_translated_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_MLUFLEET_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "mlufleet expl")
    monkeypatch.setenv("COMP_CWORD", "1")
    done = CliRunner().invoke(main, [], prog_name="mlufleet")
    assert done.output.splitlines() == ["plain", "explain", "解释故障码及其处理办法"]
