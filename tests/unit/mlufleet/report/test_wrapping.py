from __future__ import annotations

import pytest
from rich.cells import cell_len

from mlufleet.report.wrapping import measure_cells, wrap_cells
from tools.messages import read_catalog


@pytest.mark.parametrize(
    ("text", "width", "wanted"),
    [
        ("显示每台主机的状态", 8, ["显示每台", "主机的状", "态"]),
        ("显示主机。停止", 8, ["显示主", "机。停止"]),
        ("显示（主机）停", 6, ["显示", "（主", "机）停"]),
        ("显示(主机)停", 6, ["显示", "(主机)", "停"]),
        ("用 mlufleet 看", 10, ["用", "mlufleet", "看"]),
        ("plain words only", 11, ["plain words", "only"]),
        ("a-very-long-word 后", 5, ["a-very-long-word", "后"]),
        ("", 5, [""]),
    ],
)
def test_lines_end_between_any_two_characters_but_not_before_punctuation(
    text: str, width: int, wanted: list[str]
) -> None:
    assert wrap_cells(text, width) == wanted


def test_later_lines_have_a_beginning_of_their_own_and_longer_words_are_broken_if_asked() -> None:
    assert wrap_cells("主机 a-very-long-word 后", 8, "  ", is_folded=True) == [
        "主机",
        "  a-very",
        "-long-wo",
        "rd 后",
    ]


def test_cells_are_those_of_rich() -> None:
    messages = [str(message.string) for message in read_catalog() if message.id]
    texts = [line for text in messages for line in text.splitlines()]
    texts += ["e\u0301", "über", "│─…", "ｈａｌｆ"]
    assert [text for text in texts if measure_cells(text) != cell_len(text)] == []
