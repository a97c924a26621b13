"""Lists of names in sentences."""

from __future__ import annotations

import pytest

from fleet.language import Message, english
from fleet.text.word_lists import (
    join_alternatives,
    join_clauses,
    join_parts,
    join_some,
    join_words,
)


def test_lists_are_short_and_end_as_sentences_do() -> None:
    assert join_words(["a", 2]) == "a, 2"
    assert join_alternatives(["a", "b", "c"]) == "a, b or c"
    assert join_some(["a", "b", "c"], 2) == "a, b and 1 more"


def test_a_list_of_messages_keeps_their_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLUFLEET_LANG", "en")
    words = join_words([Message("3 台失败", "3 failed"), Message("1 台正常", "1 ok")])
    assert words == "3 台失败, 1 台正常"
    assert english(words) == "3 failed, 1 ok"


def test_parts_of_a_sentence_are_joined_in_both_languages() -> None:
    parts = [Message("已安装", "installed"), "docker"]
    assert english(join_parts(parts)) == "installed, docker"
    assert english(join_clauses(parts)) == "installed; docker"
    assert english(join_words(parts)) == "installed, docker"
    assert join_words([1, "b"]) == "1, b"
    assert join_clauses(["a", "b"]) == "a; b"
    assert join_parts([]) == "" == join_clauses([])
