"""The language of messages, and what a message is in English."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from fleet import language
from fleet.language import CHINESE, ENGLISH, N_, Message, _, current_language, english, n_

HELLO = N_("{host}: {count} files")


@pytest.fixture(autouse=True)
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A catalog of a few messages, and an environment without a language."""
    folder = tmp_path / CHINESE / "LC_MESSAGES"
    folder.mkdir(parents=True)
    messages = Catalog(locale=CHINESE)
    messages.add(HELLO, "{host}：{count} 个文件")
    messages.add("load {what}", "加载 {what}")
    messages.add("the image", "镜像")
    messages.add(("{count} host", "{count} hosts"), ("{count} 台主机",))
    with (folder / "mlufleet.mo").open("wb") as file:
        write_mo(file, messages)
    monkeypatch.setattr(language, "LOCALE_FOLDER", tmp_path)
    for name in (language.LANGUAGE_VARIABLE, *language.LOCALE_VARIABLES, "TERM"):
        monkeypatch.delenv(name, raising=False)
    language._load_catalog.cache_clear()
    yield
    language._load_catalog.cache_clear()


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8"}, CHINESE),
        ({"LANG": "zh_CN.GB18030"}, CHINESE),
        ({"LANG": "zh"}, CHINESE),
        ({"LANG": "C"}, ENGLISH),
        ({"LANG": "zha"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, CHINESE),
        ({"LANG": "zh_CN.UTF-8", "TERM": "linux"}, ENGLISH),
        ({"MLUFLEET_LANG": "zh_CN", "TERM": "linux", "LC_ALL": "C"}, CHINESE),
        ({"MLUFLEET_LANG": "zh-Hans"}, CHINESE),
        ({"MLUFLEET_LANG": "en", "LANG": "zh_CN.UTF-8"}, ENGLISH),
        ({"MLUFLEET_LANG": "tlh", "LANG": "zh_CN.UTF-8"}, ENGLISH),
    ],
)
def test_the_first_variable_that_is_set_chooses_the_language(
    variables: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert current_language() == wanted


@pytest.mark.parametrize(
    ("encoding", "wanted"),
    [("ascii", ENGLISH), ("latin-1", ENGLISH), ("gb18030", CHINESE), ("utf-8", CHINESE)],
)
def test_a_locale_is_not_followed_where_the_output_cannot_show_it(
    encoding: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert current_language() == wanted
    monkeypatch.setenv("MLUFLEET_LANG", "zh_CN")
    assert current_language() == CHINESE


def test_a_message_has_its_translation_and_its_english_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _(HELLO, host="h1", count=2) == "h1: 2 files"
    monkeypatch.setenv("MLUFLEET_LANG", "zh")
    language._load_catalog.cache_clear()
    message = _("load {what}", what=_("the image"))
    assert message == "加载 镜像"
    assert english(message) == "load the image"
    assert english("plain") == "plain"
    assert isinstance(message, Message)


def test_a_message_without_values_keeps_its_braces() -> None:
    assert _("${HOME} and {}") == "${HOME} and {}"


def test_numbers_have_a_form_each_in_english_and_one_in_chinese(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [n_("{count} host", "{count} hosts", count) for count in (0, 1, 2)] == [
        "0 hosts",
        "1 host",
        "2 hosts",
    ]
    monkeypatch.setenv("MLUFLEET_LANG", "zh")
    language._load_catalog.cache_clear()
    assert n_("{count} host", "{count} hosts", 1) == "1 台主机"


def test_a_message_that_the_catalog_lacks_is_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLUFLEET_LANG", "zh")
    language._load_catalog.cache_clear()
    assert _("{host}: unknown", host="h1") == "h1: unknown"
    assert _("") == ""


def test_the_language_is_chosen_for_the_process_and_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLUFLEET_LANG", "")
    assert _("the image") == "the image"
    language.use_language("zh_CN.UTF-8")
    assert _("the image") == "镜像"
    language.use_language("fr")
    assert _("the image") == "the image"
