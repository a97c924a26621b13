"""The generated pages are what the models, tables and failure codes say, in both languages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleet.language import CHINESE, ENGLISH, use_language
from mlufleet.reference import page_texts
from mlufleet.reference.__main__ import PAGES, SUFFIXES
from tests.unit import PROJECT
from tests.unit.docs.tool import load_tool

TEXT = """\
# Title

One paragraph
on two lines.

- first
  item
- second

```yaml
a: b
```
"""
FILES = [(name, chosen) for name in PAGES for chosen in SUFFIXES]


@pytest.fixture(autouse=True)
def any_language(speak: Callable[[str], None]) -> None:
    """Puts back the language that a test chooses."""
    speak(ENGLISH)


@pytest.mark.parametrize(("name", "chosen"), FILES)
def test_a_page_is_that_of_its_source(name: str, chosen: str) -> None:
    use_language(chosen)
    assert (PROJECT / f"{name}{SUFFIXES[chosen]}").read_text() == PAGES[name](), "make docs"


def test_no_translation_is_recorded_for_what_is_generated() -> None:
    assert {f"{name}.md" for name in PAGES} == set(load_tool("translations").GENERATED)


def test_texts_are_messages_by_paragraph_heading_and_item() -> None:
    assert list(page_texts.list_messages(TEXT)) == [
        *("Title", "One paragraph on two lines.", "first item", "second"),
    ]
    assert page_texts.translate_page(TEXT) == TEXT


def test_a_translated_text_has_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        page_texts,
        "_",
        {
            "Title": "标题",
            "One paragraph on two lines.": "一段。",
            "first item": "第一",
            "second": "第二",
        }.__getitem__,
    )
    use_language(CHINESE)
    assert page_texts.translate_page(TEXT) == (
        "# 标题\n\n一段。\n\n- 第一\n- 第二\n\n```yaml\na: b\n```\n"
    )


def test_messages_of_all_pages_are_in_the_catalog() -> None:
    found = {
        text if isinstance(text, str) else text[0]
        for text in (message.id for message in load_tool("messages").extract_messages())
    }
    for wanted in ("One file in files/releases.", "Exit status of the run.", "the file's name"):
        assert wanted in found
