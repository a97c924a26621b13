from __future__ import annotations

import pytest
from hypothesis import given

from mlufleet.report.html_page import mark_code
from tests.unit.fuzz import ANY_TEXT


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("run `ssh-keygen -R`.", "run <code>ssh-keygen -R</code>."),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
        ("a ` b", "a ` b"),
        ("`a` ` b", "<code>a</code> ` b"),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
        ("", ""),
    ],
)
def test_what_stands_between_backticks_is_code(text: str, page: str) -> None:
    assert mark_code(text) == page


@given(ANY_TEXT)
def test_no_text_becomes_another_element(text: str) -> None:
    page = mark_code(text)
    assert page.count("<") == page.count("<code>") + page.count("</code>")
    assert page.count("<code>") == page.count("</code>") == text.count("`") // 2
