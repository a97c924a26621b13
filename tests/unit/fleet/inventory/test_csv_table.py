from __future__ import annotations

from pathlib import Path

import pytest

from fleet import inventory
from fleet.errors import InvalidInput
from fleet.inventory import csv_table, table_fields
from fleet.inventory.host_file import CONNECTION_DATA
from fleet.release.target import ReleaseTarget

HEADER = "name,release,store,ssh_port,cards,evict,groups,data.rack,data.note\n"


def written(site: Path, rows: str, header: str = HEADER) -> Path:
    path = site / "fleet.csv"
    text = (header + rows).replace("R,S", f"{site}/small.yml,{site}/store")
    path.write_bytes(text.encode())
    return path


def test_a_table_says_what_yaml_would(site: Path, wanted: ReleaseTarget) -> None:
    rows = '# the old rack, "to be moved\n\na,R,S,2201,8,TRUE,r1 x8,5,"Hall 2, ""B"""\nb,R,S\n'
    (a, of_a), (b, of_b) = inventory.read(written(site, rows))
    release = {"release": f"{site}/small.yml", "store": f"{site}/store"}
    strict = CONNECTION_DATA
    assert (a, b) == ("a", "b") and of_b == {**strict, **release}
    own = {"ssh_port": 2201, "cards": 8, "evict": True, "groups": ("r1", "x8")}
    assert of_a == {**strict, **release, **own, "rack": 5, "note": 'Hall 2, "B"'}


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("before", ["", "\ufeff"])
def test_what_excel_writes(
    site: Path, wanted: ReleaseTarget, separator: str, end: str, before: str
) -> None:
    lines = ["name,ssh_hostname,cards,data.text,,", 'a,10.0.0.1,2,"x",,', ",,,,,", "b,10.0.0.2,,,,"]
    text = before + end.join(lines).replace(",", separator) + end
    path = written(site, "", text)
    defaults = {"release": f"{site}/small.yml", "store": f"{site}/store", "data": {"text": "none"}}
    (_, a), (_, b) = inventory.read(path, defaults)
    assert (a["ssh_hostname"], a["cards"], a["text"]) == ("10.0.0.1", 2, "x")
    assert (b["ssh_hostname"], "cards" in b, b["text"]) == ("10.0.0.2", False, "none")
    assert b["release"] == f"{site}/small.yml"


def test_ranges_in_a_table(site: Path, wanted: ReleaseTarget) -> None:
    path = written(site, "m[01-02],R,S,,,,rack{1},7,{name}\n")
    assert [(name, said["groups"], said["note"]) for name, said in inventory.read(path)] == [
        ("m01", ("rack01",), "m01"),
        ("m02", ("rack02",), "m02"),
    ]


def test_a_text_stays_a_text_and_versions_keep_their_zeros(
    site: Path, wanted: ReleaseTarget
) -> None:
    path = written(site, "a,7,5.10,007\n", "name,ssh_user,data.version,data.code\n")
    said = inventory.read(path)[0][1]
    assert (said["ssh_user"], said["version"], said["code"]) == ("7", "5.10", "007")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("\n# x\na,R,S,22,two\n", "4: hosts.a.cards: expected an integer, got 'two'"),
        ("a,R,S,22,0\n", "2: hosts.a.cards: "),
        ("a,R,S,99999\n", "2: hosts.a.ssh_port: "),
        ("a,R,S,,,maybe\n", "2: hosts.a.evict: expected true or false, got 'maybe'"),
        ("a,R,S,,,,_x\n", "2: hosts.a.groups.0: invalid group name '_x'"),
        (",R,S\n", "2: name: missing"),
        ("a,R,S\na,R,S\n", "3: name: a is defined twice, first in line 2"),
        ("m[1-2],R,S\nm2,R,S\n", "3: m2 (of m2) is defined twice, first in SITE/fleet.csv:2"),
        ("m[1-,R,S\n", "2: hosts.m[1-: "),
        ("a b,R,S\n", "2: hosts.a b: "),
        ('a,"R,S\nb,R,S\n', "2: unbalanced quotes"),
        ('a,"x"y,S\n', "2: unbalanced quotes"),
        ("a,R,S,,,,,,Hall 2, row 1\n", "2: the row has 10 values, but the header has 9 columns"),
        ("a,R,\x1b[31m\n", "2: a control character"),
        ("a,R\0,S\n", "2: a control character"),
        ("a,none,S\n", "2: release of a:\nrelease 'none': no file"),
        ("", "1: hosts: expected at least 1 item(s), got {}"),
    ],
)
def test_a_wrong_row_is_told_with_line_and_column(
    site: Path, wanted: ReleaseTarget, rows: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        inventory.read(written(site, rows))
    assert str(error.value).startswith(f"{site}/fleet.csv:{said.replace('SITE', str(site))}")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "1: no header"),
        ("# only this\n", "1: no header"),
        ("name,ssh_prot\n", "1: column 2 ('ssh_prot'): unknown field; did you mean ssh_port?"),
        ("# x\nmlu01,10.0.0.1\n", "2: column 1 ('mlu01'): unknown field"),
        ("ssh_port\n", "1: the header has no column `name`"),
        ("name,data\n", "1: column 2 ('data'): unknown field"),
        ("name,data.\n", "1: column 2 ('data.'): unknown field"),
        ("name,,cards\n", "1: column 2 (''): unknown field"),
        ("name,cards,cards\n", "1: cards: two columns have this name"),
        ("name,data.cards\na,1\n", "2: hosts.a.data: cards is a field of the host"),
        ("n\xe4me;cards\n", "1: column 1 ('näme'): unknown field; did you mean name?"),
    ],
)
def test_a_wrong_header_is_told(site: Path, header: str, said: str) -> None:
    with pytest.raises(InvalidInput) as error:
        inventory.read(written(site, "", header))
    assert str(error.value).startswith(f"{site}/fleet.csv:{said}")


def test_what_excel_writes_in_another_code_page(site: Path) -> None:
    path = site / "fleet.csv"
    path.write_bytes("name\nä\n".encode("cp1252"))
    with pytest.raises(InvalidInput, match=r"fleet\.csv:2: neither UTF-8 nor GB18030"):
        csv_table.read_hosts(path)


def test_a_wrong_default_is_told(site: Path) -> None:
    with pytest.raises(InvalidInput, match=r"defaults of the inventory: cards: "):
        inventory.read(written(site, "a\n", "name\n"), {"cards": "two"})


def table_of(site: Path, content: bytes) -> list[str]:
    path = site / "fleet.csv"
    path.write_bytes(content)
    defaults = {"release": f"{site}/small.yml", "store": f"{site}/store"}
    return [name for name, _ in inventory.read(path, defaults)]


@pytest.mark.parametrize(
    "rows",
    [
        '"name","ssh_hostname","cards"\n"mlu01","10.0.1.1","8"\n"#mlu07","10.0.1.7","8"\n',
        "name,cards\nmlu01,8\n\uff03mlu07,8\n",
        'name,cards\n" # mlu07",8\nmlu01,8\n',
        "\ufeff# the fleet\nname\nmlu01\n",
        "groups,name\nr1,mlu01\n#r1,mlu07\n",
        "name,cards\nmlu01,\n ,\u3000\n\u00a0,\n",
        "sep=;\r\nname;cards\r\nmlu01;8\r\n",
    ],
)
def test_rows_that_are_commented_out_or_blank_are_no_hosts(
    site: Path, wanted: ReleaseTarget, rows: str
) -> None:
    assert table_of(site, rows.encode()) == ["mlu01"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_text_as_excel_writes_it(site: Path, wanted: ReleaseTarget, encoding: str) -> None:
    mark = "\ufeff" if encoding[-3:] in ("-le", "-be") else ""
    text = f"{mark}name\tdata.place\r\nmlu01\t\u673a\u623f\r\nmlu02\t\r\n"
    assert table_of(site, text.encode(encoding)) == ["mlu01", "mlu02"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("\u5408\u8ba1,,16", "name: \u5408\u8ba1 looks like a row of totals"),
        ("\u603b\u8ba1\uff1a,,", "looks like a row of totals"),
        ("\u5171\u8ba116\u53f0,,", "looks like a row of totals"),
        ("Total,,16", "name: Total looks like a row of totals"),
        ("Grand Total:,,16", "looks like a row of totals"),
        ("SUM,,", "looks like a row of totals"),
        ("Total,16,", "ssh_hostname: '16' means 0.0.0.16"),
        (",10.0.1.2,8", "name: missing"),
        ("\u5907\u6ce8,,", "name: "),
        ("name,ssh_hostname,cards", "the header is repeated"),
        ("NAME,x,y", "the header is repeated"),
        ("#REF!,10.0.1.2,8", "name: the value is the error of a formula"),
        ("mlu02,10.0.1.2,#N/A", "cards: the value is the error of a formula"),
        (";mlu07,10.0.1.7,8", "not a host name"),
        ("//mlu07,10.0.1.7,8", "not a host name"),
        ("--mlu07,10.0.1.7,8", "not a host name"),
        ("'mlu07,10.0.1.7,8", "not a host name"),
        ("\u200b,,", "an invisible character (U+200B)"),
        ("\uff4d\uff4c\uff5502,10.0.1.2,8", "look-alike characters: write 'mlu02'"),
        ("mlu02,'10.0.1.2,8", "is not an address"),
        ("mlu02,10.0.1,8", "means 10.0.0.1 to most programs"),
        ("mlu02,10.0.1.2\uff1a2201,8", "write 10.0.1.2, and `ssh_port: 2201`"),
        ("mlu02\uff0c10.0.1.2,,", "look-alike"),
        ("mlu01,10.0.1.9,8", "mlu01 is defined twice, first in line 2"),
    ],
)
def test_a_row_that_is_no_host_is_refused_with_its_line(
    site: Path, wanted: ReleaseTarget, row: str, why: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        table_of(site, f"name,ssh_hostname,cards\nmlu01,10.0.1.1,8\n{row}\n".encode())
    assert str(error.value).startswith(f"{site}/fleet.csv:3: ") and why in str(error.value)


CHINESE = (
    "主机名，地址，端口，发布版本，制品库，卡数，分组，data.place，备注\n"
    "机柜1-节点01，１０．0。0.1，２２０１，R，S，８，机柜1、x8，二层机房，\n"
    "机柜1-节点02，10.0.0.2，，R，S，，机柜1，，备用机\n"
)


@pytest.mark.parametrize("separator", [",", "\uff0c", ";", "\uff1b", "\t"])
@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "gb2312", "utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_a_chinese_office_is_read(
    site: Path, wanted: ReleaseTarget, encoding: str, separator: str
) -> None:
    text = CHINESE.replace("R，S", f"{site}/small.yml，{site}/store").replace("\uff0c", separator)
    path = site / "fleet.csv"
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    (first, a), (second, b) = inventory.read(path)
    assert (first, second) == ("机柜1-节点01", "机柜1-节点02")
    assert (a["ssh_hostname"], a["ssh_port"], a["cards"]) == ("10.0.0.1", 2201, 8)
    assert (a["groups"], a["place"], b["groups"]) == (("机柜1", "x8"), "二层机房", ("机柜1",))
    assert b["note"] == "备用机" and "ssh_port" not in b


@pytest.mark.parametrize(
    ("text", "encoding", "line"),
    [
        ("name,data.place\nmlu01,機房\n", "big5", 2),
        ("name,data.place\n\nmlu01,Größe\n", "cp1252", 3),
        ("name,data.place\nmlu01,Hall Süd\n", "cp1252", 2),
        ("name,data.place\nmlu01,サーバー室\n", "cp932", 2),
        ("name,data.place\nmlu01,机房\nmlu02,\udcff\n", "utf-8", 3),
        ("\ufeffname,data.place\nmlu01,\udcff\n", "utf-8", 2),
    ],
)
def test_what_is_neither_unicode_nor_chinese_is_refused_with_its_line(
    site: Path, text: str, encoding: str, line: int
) -> None:
    with pytest.raises(InvalidInput) as error:
        table_of(site, text.encode(encoding, "surrogateescape"))
    told = str(error.value)
    assert told.startswith(f"{site}/fleet.csv:{line}: n") and "save it as UTF-8 (in Excel" in told


@pytest.mark.parametrize(
    ("cell", "value"),
    [("是", True), ("否", False), ("TRUE", True), ("ｆａｌｓｅ", False), ("也许", "也许")],
)
def test_a_boolean_may_be_chinese(cell: str, value: object) -> None:
    assert table_fields.convert_cell("evict", cell) == value


def test_an_unknown_column_in_chinese_is_told_with_the_names_there_are(site: Path) -> None:
    with pytest.raises(InvalidInput, match=r"fleet\.csv:1: column 2 \('端口号'\): .*端口.*主机名"):
        table_of(site, "主机名,端口号\na,1\n".encode())


def test_two_names_of_one_field_are_two_columns_of_it(site: Path) -> None:
    with pytest.raises(InvalidInput, match=r"fleet\.csv:1: ssh_hostname: two columns"):
        table_of(site, "主机名,地址,IP\na,10.0.0.1,10.0.0.2\n".encode())
