"""Hosts in a workbook: what Excel and WPS make of a table, and where what is wrong stands."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from fleet import inventory
from fleet.errors import InvalidInput
from fleet.inventory import workbook
from fleet.inventory.workbook import format_value
from fleet.release.target import ReleaseTarget

HEADER = ("name", "ssh_hostname", "ssh_port", "cards", "evict", "groups", "data.note")
SHEET = "xl/worksheets/sheet1.xml"

Rows = Sequence[Sequence[Any]]


def write_workbook(site: Path, rows: Rows, edit: Callable[[Workbook], object] = id) -> Path:
    """Write rows below the header into Sheet1, and do something with the workbook."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Sheet1"
    for row in (HEADER, *rows):
        sheet.append(list(row))
    edit(book)
    book.save(site / "fleet.xlsx")
    return site / "fleet.xlsx"


def edit_member(path: Path, pattern: bytes, replacement: bytes, member: str = SHEET) -> Path:
    """Replace what stands in a part of a workbook, as another program would have written it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[member], count = re.subn(pattern, replacement, parts[member])
    assert count == 1
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def read_hosts(site: Path, path: Path) -> dict[str, dict[str, Any]]:
    defaults = {"release": f"{site}/small.yml", "store": f"{site}/store"}
    return dict(inventory.load_hosts(path, defaults))


def test_values_are_those_that_a_person_sees(site: Path, wanted: ReleaseTarget) -> None:
    day = datetime.datetime(2026, 11, 29)
    rows = [
        ("a", "10.0.0.1", 22.0, 8, True, "r1 x8", day),
        (None,) * 7,
        (" b ", " 10.0.0.２ ", "２２０１", "４", "否", "r1、r2", 1.5),
        ("#c", "10.0.0.3"),
    ]
    hosts = read_hosts(site, write_workbook(site, rows))
    a, b = hosts["a"], hosts["b"]
    assert list(hosts) == ["a", "b"]
    assert (a["ssh_port"], a["cards"], a["evict"], a["groups"]) == (22, 8, True, ("r1", "x8"))
    assert (a["note"], b["note"]) == ("2026-11-29", "1.5")
    assert (b["ssh_hostname"], b["ssh_port"], b["cards"]) == ("10.0.0.2", 2201, 4)
    assert "evict" not in b or b["evict"] is False
    assert b["groups"] == ("r1", "r2")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (22.0, "22"),
        (0.1, "0.1"),
        (7, "7"),
        (True, "true"),
        (datetime.datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (datetime.time(8, 30), "08:30:00"),
        ("x", "x"),
    ],
)
def test_a_value_is_formatted_as_it_is_typed(value: object, text: str) -> None:
    assert format_value(value) == text


def test_a_sheet_of_a_chinese_office(
    site: Path, wanted: ReleaseTarget, caplog: pytest.LogCaptureFixture
) -> None:
    """A title, Chinese names of columns, merged cells, hidden rows, sheets around it."""

    def edit(book: Workbook) -> None:
        sheet = book.worksheets[0]
        sheet.delete_rows(1)
        sheet.insert_rows(1, 2)
        sheet["B1"] = "训练集群主机清单"
        sheet.merge_cells("B1:F1")
        names = ("主机名", "IP 地址", "端口", "卡数", "evict", "分组", "备注")
        for column, name in enumerate(names, 1):
            sheet.cell(2, column, name)
        sheet.merge_cells("F3:F5")
        sheet.row_dimensions[4].hidden = True
        book.create_sheet("旧表")["A1"] = "主机名"
        book.create_sheet("说明")["A1"] = "见机房文档"
        hidden = book.create_sheet("草稿", 0)
        hidden["A1"], hidden.sheet_state = "主机名", "hidden"

    rows = [
        ("机柜1-节点01", "10.0.0.1", None, 8, None, "机柜1"),
        ("机柜1-节点02", "10.0.0.2", None, 8, None, None, "备用"),
    ]
    hosts = read_hosts(site, write_workbook(site, rows, edit))
    assert list(hosts) == ["机柜1-节点01", "机柜1-节点02"]
    assert [host["groups"] for host in hosts.values()] == [("机柜1",), ("机柜1",)]
    assert hosts["机柜1-节点02"]["note"] == "备用"
    assert "read from the sheet Sheet1, and not from 旧表" in caplog.text


@pytest.mark.parametrize(
    ("row", "cell", "told"),
    [
        (("b", "10.0.0.2", "ssh"), "C3", "hosts.b.ssh_port: expected an integer, got 'ssh'"),
        (("b", "10.0.0.2", 22.5), "C3", "hosts.b.ssh_port: expected an integer, got '22.5'"),
        (("b", "10.0.0.2", 0), "C3", "hosts.b.ssh_port: "),
        (("b", "10.0.0.2", None, None, "maybe"), "E3", "hosts.b.evict: expected true or false"),
        (("b", "10.0.0.2", None, None, None, "_x"), "F3", "hosts.b.groups.0: invalid group name"),
        (("b", "10.0.0.02"), "B3", "b: ssh_hostname: "),
        (("ｂ", "10.0.0.2"), "A3", "hosts.ｂ: "),
        (("a", "10.0.0.2"), "A3", "name: a is defined twice, first in Sheet1!A2"),
        ((None, "10.0.0.2"), "A3", "name: missing"),
        (("合计", None, None, 8), "A3", "name: 合计 looks like a row of totals"),
        (("b", datetime.datetime(2026, 1, 2)), "B3", "ssh_hostname: Excel has made a date"),
        (("b", "10.0.0.2\n10.0.0.3"), "B3", "ssh_hostname: a line break"),
        (("b", "#REF!"), "B3", "ssh_hostname: the value is the error of a formula"),
        (("b", "10.0.0.2", *[None] * 5, "x"), "H3", "this column has no name in the header"),
    ],
)
def test_what_is_wrong_is_told_with_its_cell(
    site: Path, wanted: ReleaseTarget, row: tuple[Any, ...], cell: str, told: str
) -> None:
    path = write_workbook(site, [("a", "10.0.0.1"), row])
    with pytest.raises(InvalidInput) as error:
        read_hosts(site, path)
    assert str(error.value).startswith(f"{path}: Sheet1!{cell}: {told}")


def rename(book: Workbook) -> None:
    book.worksheets[0].title = "My 'hosts'"


def merge(cells: str) -> Callable[[Workbook], object]:
    return lambda book: book.worksheets[0].merge_cells(cells)


def put(cell: str, value: str) -> Callable[[Workbook], object]:
    return lambda book: book.worksheets[0].__setitem__(cell, value)


def hide(book: Workbook) -> None:
    book.create_sheet("其他")
    book.worksheets[0].sheet_state = "hidden"


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (put("C1", "ssh_prot"), "Sheet1!C1: column 3 ('ssh_prot'): unknown field; did you mean"),
        (put("C1", "cards"), "Sheet1!D1: cards: two columns have this name"),
        (put("A1", "host"), "no header in the visible sheets (Sheet1): "),
        (hide, "no header in the visible sheets (其他): "),
        (merge("A2:B2"), "Sheet1!A2: merged with other columns"),
        (merge("A1:A2"), "Sheet1!A1: merged with other columns or with the header"),
        (put("D2", "=4*2"), "Sheet1!D2: a formula without a value: save the file in Excel"),
    ],
)
def test_what_is_wrong_with_a_sheet_is_told(
    site: Path, wanted: ReleaseTarget, edit: Callable[[Workbook], object], told: str
) -> None:
    path = write_workbook(site, [("a", "10.0.0.1", 22)], edit)
    with pytest.raises(InvalidInput) as error:
        read_hosts(site, path)
    assert str(error.value).startswith(f"{path}: {told}")


def test_a_name_with_blanks_is_quoted_as_in_excel(site: Path) -> None:
    path = write_workbook(site, [("a", "10.0.0.1", "ssh")], rename)
    with pytest.raises(InvalidInput, match=r"fleet\.xlsx: 'My ''hosts'''!C2: "):
        read_hosts(site, path)


@pytest.mark.parametrize(
    ("cell", "cards"),
    [
        (b'<c r="D2"><f>4*2</f><v>8</v></c>', 8),
        (b'<c r="D2"><f>4*2</f><v>8.0</v></c>', 8),
        (b'<c r="D2" t="str"><f>"8"</f><v>8</v></c>', 8),
        (b'<c r="D2" t="str"><f>IF(TRUE,"")</f><v></v></c>', None),
    ],
)
def test_a_formula_has_the_value_that_excel_saved(
    site: Path, wanted: ReleaseTarget, cell: bytes, cards: int | None
) -> None:
    path = write_workbook(site, [("a", "10.0.0.1", None, 1)])
    edit_member(path, rb'<c r="D2".*?</c>', cell)
    assert read_hosts(site, path)["a"].get("cards") == cards


@pytest.mark.parametrize(
    "cell",
    [
        b'<c r="A2" t="inlineStr"><is><r><t>a</t></r><r><rPr><b/></rPr><t>1</t></r></is></c>',
        b'<c r="A2" t="inlineStr"><is><t>a1</t></is></c>',
        b'<c t="inlineStr"><is><t>a1</t></is></c>',
    ],
)
def test_a_text_in_several_fonts_is_one(site: Path, wanted: ReleaseTarget, cell: bytes) -> None:
    path = write_workbook(site, [("a", "10.0.0.1")])
    edit_member(path, rb'<c r="A2".*?</c>', cell)
    assert read_hosts(site, path)["a1"]["ssh_hostname"] == "10.0.0.1"


def test_what_merged_cells_hide_is_not_read(site: Path, wanted: ReleaseTarget) -> None:
    path = write_workbook(site, [("a", "10.0.0.1", None, 8), ("b", "10.0.0.2", None, 4)])
    edit_member(
        path, b"</sheetData>", b'</sheetData><mergeCells><mergeCell ref="D2:D3"/></mergeCells>'
    )
    assert [host["cards"] for host in read_hosts(site, path).values()] == [8, 8]


def test_cells_at_the_end_of_the_sheet_cost_nothing(site: Path, wanted: ReleaseTarget) -> None:
    path = write_workbook(site, [("a", "10.0.0.1")])
    edit_member(path, b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"/></row></sheetData>')
    assert list(read_hosts(site, path)) == ["a"]


def write_zip(content: bytes, name: str = SHEET) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


COMPOUND = workbook.COMPOUND_FILE + bytes(600)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (COMPOUND, "an .xls file of old Excel: save it as .xlsx"),
        (COMPOUND + workbook.ENCRYPTED_STREAM, "it has a password: save it without one"),
        (b"", "not a readable .xlsx workbook ("),
        (b"name,ssh_hostname\na,10.0.0.1\n", "not a readable .xlsx workbook ("),
        (write_zip(b"<worksheet/>"), "not a readable .xlsx workbook ("),
        (write_zip(bytes(100 << 20)), "unpacked larger than 64 MiB"),
        (bytes((16 << 20) + 1), "larger than 16 MiB"),
    ],
)
def test_a_file_that_is_no_workbook_is_told(site: Path, content: bytes, told: str) -> None:
    path = site / "fleet.xlsx"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as error:
        read_hosts(site, path)
    assert str(error.value).startswith(f"{path}: {told}")


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
def test_a_workbook_that_was_cut_is_told(site: Path, keep: float) -> None:
    path = write_workbook(site, [("a", "10.0.0.1")])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InvalidInput, match=r"not a readable .xlsx workbook"):
        read_hosts(site, path)


@pytest.mark.parametrize("member", [SHEET, "xl/workbook.xml", "xl/styles.xml"])
def test_a_part_that_is_not_xml_is_told(site: Path, member: str) -> None:
    path = write_workbook(site, [("a", "10.0.0.1")])
    edit_member(path, rb"\A<", b"<<", member)
    with pytest.raises(InvalidInput, match=r"not a readable .xlsx workbook"):
        read_hosts(site, path)
