"""What files have in English is shown in the language of who reads it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleet.language import CHINESE, ENGLISH, _, english
from fleet.text.stored_messages import translate_stored


def test_a_message_is_found_by_what_its_values_leave(speak: Callable[[str], None]) -> None:
    speak(CHINESE)
    for message in (
        _("{name} is not in the store", name="a-1.0.whl"),
        _("{count} different ones", count=3),
    ):
        assert str(message) != english(message)  # the catalog has it
        shown = translate_stored(english(message))
        assert (str(shown), english(shown)) == (str(message), english(message))


def test_a_message_within_another_is_found(speak: Callable[[str], None]) -> None:
    speak(CHINESE)
    inner = _("{name} is not in the store", name="a-1.0.whl")
    shown = translate_stored(f"patches/a.py: {english(inner)}")
    assert shown.startswith("patches/a.py") and shown.endswith(str(inner))


@pytest.mark.parametrize("text", ["", "ERROR: No matching distribution", "a: b", "{", "x{y}"])
def test_other_words_stay_as_they_are(speak: Callable[[str], None], text: str) -> None:
    speak(CHINESE)
    assert translate_stored(text) == text


def test_english_stays_as_it_is(speak: Callable[[str], None]) -> None:
    speak(ENGLISH)
    assert translate_stored("a-1.0.whl is not in the store") == "a-1.0.whl is not in the store"
