from __future__ import annotations

from mlufleet.cli.wide_formatter import WideFormatter
from mlufleet.report.wrapping import measure_cells


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
        " " * measure_cells("用法：mlufleet run ") + "[HOST]...",
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
