"""What is wrong with a document, in Chinese: file, line and field stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from fleet import language
from fleet.documents import loading
from fleet.errors import InvalidInput
from fleet.inventory.host_fields import HostData
from fleet.language import CHINESE, english
from fleet.text import times, word_lists

MESSAGES = {
    "expected {expected}, got {value}": "应为：{expected}；实际：{value}",
    "expected {expected}, got no value": "应为：{expected}；实际没有值",
    "an integer": "整数",
    "{words} or {last}": "{words} 或 {last}",
    "{word}, {next}": "{word}、{next}",
    "unknown field; did you mean {similar}? valid fields: {valid}": "未知字段；是否想写 {similar}？"
    "可用字段：{valid}",
    "; nearest: {names}": "；最接近的：{names}",
    "{minutes} min {seconds:02d} s": "{minutes} 分 {seconds:02d} 秒",
    "{days} days": "{days} 天",
    "{words} and {count} more": "{words} 以及另外 {count} 个",
}


@pytest.fixture(autouse=True)
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A catalog of a few messages, whatever the one of this version says."""
    folder = tmp_path / CHINESE / "LC_MESSAGES"
    folder.mkdir(parents=True)
    messages = Catalog(locale=CHINESE)
    for message, translation in MESSAGES.items():
        messages.add(message, translation)
    with (folder / "mlufleet.mo").open("wb") as file:
        write_mo(file, messages)
    monkeypatch.setattr(language, "LOCALE_FOLDER", tmp_path)
    monkeypatch.setenv(language.LANGUAGE_VARIABLE, CHINESE)
    language._load_catalog.cache_clear()
    yield
    language._load_catalog.cache_clear()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cards: two\n", "hosts.yml:1: cards: 应为：整数；实际：'two'"),
        ("evict: true\ncards: true\n", "hosts.yml:2: cards: 应为：整数；实际：true"),
        (
            "smoke: allways\n",
            "hosts.yml:1: smoke: 应为：'auto'、'always' 或 'record'；实际：'allways'；"
            "最接近的：always",
        ),
    ],
)
def test_a_field_is_told_with_file_and_line(text: str, said: str) -> None:
    data, node = loading.parse_mapping(text, Path("hosts.yml"))
    with pytest.raises(InvalidInput) as error:
        loading.validate_document(HostData, data, Path("hosts.yml"), node)
    assert str(error.value) == said


def test_an_unknown_field_is_told_with_the_one_that_was_meant() -> None:
    data, node = loading.parse_mapping("card: 2\n", Path("hosts.yml"))
    with pytest.raises(InvalidInput, match=r"^hosts.yml:1: card: 未知字段；是否想写 cards？"):
        loading.validate_document(HostData, data, Path("hosts.yml"), node)


def test_durations_and_ages_have_chinese_units() -> None:
    duration = times.format_duration(185)
    assert (duration, english(duration)) == ("3 分 05 秒", "3 min 05 s")
    assert times.format_age(5 * 86400) == "5 天"


def test_names_are_joined_as_in_chinese_and_recorded_as_in_english() -> None:
    names = word_lists.join_some(["mlu1", "mlu2", "mlu3", "mlu4"], 2)
    assert names == "mlu1、mlu2 以及另外 2 个"
    assert english(names) == "mlu1, mlu2 and 2 more"
    assert word_lists.join_alternatives(["a"]) == "a"
