"""Every layout of the vendor's table; the text is made here, after what is known of each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.release import compatibility
from fleet.vendor import cnmon

RULE = "+-------------------------------+----------------------+-----------------------+"
OLD = f"""\
Wed Nov  8 16:16:45 2023
+------------------------------------------------------------------------------+
| CNMON v4.20.18                                                               |
{RULE}
| Card  VF  Name       Firmware | Inited        Driver | Util        Ecc-Error |
| Fan   Temp      Pwr:Usage/Cap |         Memory-Usage |         vMemory-Usage |
|===============================+======================+=======================|
| 0     /   MLU370-S4    v1.1.6 | On          v4.20.18 | 0%          N/A       |
|  0%   57C         27 W/  75 W |     0 MiB/ 23365 MiB | 10240 MiB/1048576 MiB |
{RULE}
| 1     /   MLU370-S4    v1.1.6 | On          v4.20.18 | 0%          N/A       |
|  0%   57C         27 W/  75 W |     0 MiB/ 23365 MiB | 10240 MiB/1048576 MiB |
{RULE}

+------------------------------------------------------------------------------+
| Processes:                                                                   |
|  Card  VF  PID    Command Line                             MLU Memory Usage  |
|  No running processes found                                                  |
+------------------------------------------------------------------------------+
"""
AGED = OLD.replace("CNMON v4.20.18", "CNMON 1.16.0  ")
MIDDLE = f"""\
+------------------------------------------------------------------------------+
| CNMON v5.10.13                                               Driver v5.10.13 |
{RULE}
| Card  VF  Name       Firmware |               Bus-Id | Util        Ecc-Error |
| Fan   Temp      Pwr:Usage/Cap |         Memory-Usage | SR-IOV   Compute-Mode |
|===============================+======================+=======================|
| 0     /   MLU370-X8    v1.1.6 |         0000:39:00.0 | 0%                N/A |
|  0%   32C        106 W/ 250 W |     0 MiB/ 23374 MiB | N/A           Default |
{RULE}
| 1     /   MLU370-X8    v1.1.6 |         0000:3a:00.0 | 0%                N/A |
|  0%   32C        106 W/ 250 W |     0 MiB/ 23374 MiB | N/A           Default |
{RULE}
| Processes:                                                                   |
|  0     /   1234   python ask.py                                      99 MiB  |
+------------------------------------------------------------------------------+
"""
NEW = (
    MIDDLE.replace("CNMON v5.10.13 ", "CNMON v6.5.48  ")
    .replace("Driver v5.10.13 ", "Driver v5.10.22 ")
    .replace("| SR-IOV   C", "| Mode     C")
    .replace("| N/A           D", "| FULL          D")
    .replace("23374", "20638")
    .replace("0%                N/A", "0%                  0")
)
LAYOUTS = {"v1": AGED, "v4.20": OLD, "v5.10.13": MIDDLE, "v5.10.22": NEW}


@pytest.mark.parametrize(
    ("layout", "tool", "driver", "name", "address", "memory", "ecc"),
    [
        ("v1", "1.16.0", "4.20.18", "MLU370-S4", None, 23365, False),
        ("v4.20", "4.20.18", "4.20.18", "MLU370-S4", None, 23365, False),
        ("v5.10.13", "5.10.13", "5.10.13", "MLU370-X8", "0000:3a:00.0", 23374, False),
        ("v5.10.22", "6.5.48", "5.10.22", "MLU370-X8", "0000:3a:00.0", 20638, True),
    ],
)
def test_every_layout_is_read(
    layout: str, tool: str, driver: str, name: str, address: str | None, memory: int, ecc: bool
) -> None:
    table = cnmon.parse(["Welcome!", *LAYOUTS[layout].splitlines(), "bye"])
    assert (table.tool_version, table.driver, len(table.cards)) == (tool, driver, 2)
    card = table.cards[1]
    assert (card.name, card.firmware, card.address) == (name, "1.1.6", address)
    assert (card.memory_mib, card.ecc) == (memory, ecc)
    compatibility.verify_cnmon_output(LAYOUTS[layout].splitlines(), driver, 2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_that_is_cut_anywhere_is_never_a_smaller_one(layout: str) -> None:
    text = LAYOUTS[layout]
    for end in range(text.index("| Processes:")):
        with pytest.raises(cnmon.UnreadableOutput):
            cnmon.parse(text[:end].splitlines())


@pytest.mark.parametrize("layout", LAYOUTS)
@given(data=st.data())
def test_a_table_without_some_of_its_lines_is_refused_or_says_nothing_new(
    layout: str, data: st.DataObject
) -> None:
    lines = LAYOUTS[layout].splitlines()
    gone = data.draw(st.sets(st.integers(0, len(lines) - 1)))
    try:
        table = cnmon.parse([line for n, line in enumerate(lines) if n not in gone])
    except cnmon.UnreadableOutput:
        return
    whole = cnmon.parse(lines)
    assert table.driver in (whole.driver, None)
    assert table.cards == whole.cards[: len(table.cards)]


@given(st.lists(st.text(alphabet="|+=- 0v.MLUCNOW/iBcard:%", max_size=80)))
def test_no_other_text_is_a_table(lines: list[str]) -> None:
    with pytest.raises(cnmon.UnreadableOutput):
        cnmon.parse(lines)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Bus-Id", "Slot  ", "columns of cnmon 5.10.13: Slot"),
        ("| 1     /   MLU370-X8", "| 2     /   MLU370-X8", "card 1 cannot be parsed"),
        ("Driver v5.10.13", "Driver     N/A ", "cnmon shows driver none, expected 5.10.13"),
        ("23374", "11687", "card 0 has 11687 MiB .* 23374 "),
        ("v5.10.13 |", "v5.10.22 |", "cnmon shows driver 5.10.22, expected 5.10.13"),
    ],
)
def test_what_is_unknown_or_wrong_is_said(old: str, new: str, said: str) -> None:
    assert old in MIDDLE
    with pytest.raises(ValueError, match=said):
        compatibility.verify_cnmon_output(MIDDLE.replace(old, new).splitlines(), "5.10.13", 2)


def test_an_error_of_cnmons_own_is_its_answer() -> None:
    with pytest.raises(cnmon.UnreadableOutput, match=r"CNDEV_ERROR_NO_DRIVER\.$"):
        cnmon.parse(["cndev init failed: CNDEV_ERROR_NO_DRIVER."])


def test_a_missing_card_is_counted() -> None:
    with pytest.raises(ValueError, match="cnmon shows 2 cards, expected 3"):
        compatibility.verify_cnmon_output(MIDDLE.splitlines(), "5.10.13", 3)
