from __future__ import annotations

from pathlib import Path

import pytest

from fleet import inventory
from fleet.failures import InvalidInput
from fleet.inventory import table
from fleet.inventory.reading import CONNECTING
from fleet.wanted import Wanted

HEADER = "name,release,store,ssh_port,cards,evict,groups,data.rack,data.note\n"


def written(site: Path, rows: str, header: str = HEADER) -> Path:
    path = site / "fleet.csv"
    text = (header + rows).replace("R,S", f"{site}/small.yml,{site}/store")
    path.write_bytes(text.encode())
    return path


def test_a_table_says_what_yaml_would(site: Path, wanted: Wanted) -> None:
    rows = '# the old rack, "to be moved\n\na,R,S,2201,8,TRUE,r1 x8,5,"Hall 2, ""B"""\nb,R,S\n'
    (a, of_a), (b, of_b) = inventory.read(written(site, rows))
    release = {"release": f"{site}/small.yml", "store": f"{site}/store"}
    strict = CONNECTING
    assert (a, b) == ("a", "b") and of_b == {**strict, **release}
    own = {"ssh_port": 2201, "cards": 8, "evict": True, "groups": ("r1", "x8")}
    assert of_a == {**strict, **release, **own, "rack": 5, "note": 'Hall 2, "B"'}


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("before", ["", "\ufeff"])
def test_what_excel_writes(
    site: Path, wanted: Wanted, separator: str, end: str, before: str
) -> None:
    lines = ["name,ssh_hostname,cards,data.text,,", 'a,10.0.0.1,2,"x",,', ",,,,,", "b,10.0.0.2,,,,"]
    text = before + end.join(lines).replace(",", separator) + end
    path = written(site, "", text)
    defaults = {"release": f"{site}/small.yml", "store": f"{site}/store", "data": {"text": "none"}}
    (_, a), (_, b) = inventory.read(path, defaults)
    assert (a["ssh_hostname"], a["cards"], a["text"]) == ("10.0.0.1", 2, "x")
    assert (b["ssh_hostname"], "cards" in b, b["text"]) == ("10.0.0.2", False, "none")
    assert b["release"] == f"{site}/small.yml"


def test_ranges_in_a_table(site: Path, wanted: Wanted) -> None:
    path = written(site, "m[01-02],R,S,,,,rack{1},7,{name}\n")
    assert [(name, said["groups"], said["note"]) for name, said in inventory.read(path)] == [
        ("m01", ("rack01",), "m01"), ("m02", ("rack02",), "m02"),
    ]  # fmt: skip


def test_a_text_stays_a_text_and_versions_keep_their_zeros(site: Path, wanted: Wanted) -> None:
    path = written(site, "a,7,5.10,007\n", "name,ssh_user,data.version,data.code\n")
    said = inventory.read(path)[0][1]
    assert (said["ssh_user"], said["version"], said["code"]) == ("7", "5.10", "007")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("\n# x\na,R,S,22,two\n", "4: hosts.a.cards: Input should be a valid integer"),
        ("a,R,S,22,0\n", "2: hosts.a.cards: "),
        ("a,R,S,99999\n", "2: hosts.a.ssh_port: "),
        ("a,R,S,,,maybe\n", "2: hosts.a.evict: Input should be a valid boolean"),
        ("a,R,S,,,,_x\n", "2: hosts.a.groups.0: '_x' is not a group"),
        (",R,S\n", "2: name: this field is missing"),
        ("a,R,S\na,R,S\n", "3: name: a is given twice, first in line 2"),
        ("m[1-2],R,S\nm2,R,S\n", "3: m2 (of m2) is given twice, first in SITE/fleet.csv:2"),
        ("m[1-,R,S\n", "2: hosts.m[1-.[key]: "),
        ("a b,R,S\n", "2: hosts.a b.[key]: "),
        ('a,"R,S\nb,R,S\n', "2: quotes that do not fit together"),
        ('a,"x"y,S\n', "2: quotes that do not fit together"),
        ("a,R,S,,,,,,Hall 2, row 1\n", "2: 10 values for 9 fields: a value with ','"),
        ("a,R,\x1b[31m\n", "2: a control character"),
        ("a,R\0,S\n", "2: a control character"),
        ("a,none,S\n", "2: release of a:\nrelease 'none': no file"),
        ("", "1: hosts: Dictionary should have at least 1 item"),
    ],
)
def test_a_wrong_row_is_told_with_line_and_column(
    site: Path, wanted: Wanted, rows: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        inventory.read(written(site, rows))
    assert str(error.value).startswith(f"{site}/fleet.csv:{said.replace('SITE', str(site))}")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "1: no line that names the fields"),
        ("# only this\n", "1: no line that names the fields"),
        ("name,ssh_prot\n", "1: column 2 ('ssh_prot'): unknown field; did you mean ssh_port?"),
        ("# x\nmlu01,10.0.0.1\n", "2: column 1 ('mlu01'): unknown field"),
        ("ssh_port\n", "1: no column `name`"),
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
    with pytest.raises(InvalidInput, match=r"fleet\.csv:2: not UTF-8"):
        table.read(path)


def test_a_wrong_default_is_told(site: Path) -> None:
    with pytest.raises(InvalidInput, match=r"defaults of the inventory: cards: "):
        inventory.read(written(site, "a\n", "name\n"), {"cards": "two"})
