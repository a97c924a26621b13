from __future__ import annotations

import pytest

from mlufleet.cli.wide_formatter import WideFormatter, measure_width, wrap_text


@pytest.mark.parametrize(
    ("text", "width", "wanted"),
    [
        ("显示每台主机的状态", 8, ["显示每台", "主机的状", "态"]),
        ("显示主机。停止", 8, ["显示主", "机。停止"]),
        ("显示（主机）停", 6, ["显示", "（主", "机）停"]),
        ("用 mlufleet 看", 10, ["用", "mlufleet", "看"]),
        ("plain words only", 11, ["plain words", "only"]),
        ("a-very-long-word 后", 5, ["a-very-long-word", "后"]),
        ("", 5, []),
    ],
)
def test_lines_end_between_any_two_characters_but_not_before_punctuation(
    text: str, width: int, wanted: list[str]
) -> None:
    assert wrap_text(text, width) == wanted


def test_columns_are_aligned_by_cells() -> None:
    formatter = WideFormatter(width=30)
    with formatter.section("选项"):
        formatter.write_dl([("名称", "主机的名称，或者多个名称"), ("--all", "全部")])
    assert formatter.getvalue().splitlines() == [
        "选项：",
        "  名称   主机的名称，或者多个",
        "         名称",
        "  --all  全部",
    ]


def test_a_long_first_column_has_a_line_of_its_own() -> None:
    formatter = WideFormatter(width=40)
    formatter.write_dl([("--quarantine", "隔离"), ("-h", "帮助")], col_max=5)
    assert formatter.getvalue().splitlines() == ["--quarantine", "       隔离", "-h     帮助"]


def test_usage_is_wrapped_under_its_beginning() -> None:
    formatter = WideFormatter(width=40)
    formatter.write_usage("mlufleet run", "[OPTIONS] INVENTORY [HOST]...", prefix="用法：")
    assert formatter.getvalue().splitlines() == [
        "用法：mlufleet run [OPTIONS] INVENTORY",
        " " * measure_width("用法：mlufleet run ") + "[HOST]...",
    ]


def test_verbatim_paragraphs_are_not_wrapped() -> None:
    formatter = WideFormatter(width=20)
    formatter.write_text("第一段\n\n\b\n示例：\n  mlufleet deploy inventories/fleet.py")
    assert formatter.getvalue().splitlines() == [
        "第一段",
        "",
        "示例：",
        "  mlufleet deploy inventories/fleet.py",
    ]
