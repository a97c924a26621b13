"""Numbers of faults that tests cite stand in docs/faults.md, each once."""

import re
from pathlib import Path

from tests.lab.paths import PROJECT

LISTED = [
    int(number)
    for number in re.findall(r"^\| (\d+) \|", (PROJECT / "docs/faults.md").read_text(), re.M)
]


def cited(path: Path) -> list[int]:
    """Numbers at the start of a test file's docstring, before the colon."""
    numbers = re.match(r'"""((?:\d+, )*\d+): ', path.read_text())
    return [int(number) for number in numbers[1].split(", ")] if numbers else []


def test_every_number_is_given_once_and_in_order() -> None:
    assert sorted(set(LISTED)) == LISTED
    assert LISTED[0] == 1


def test_every_number_that_a_test_cites_is_listed() -> None:
    files = {path: cited(path) for path in (PROJECT / "tests/faults").glob("test_*.py")}
    assert any(files.values())
    assert {n for numbers in files.values() for n in numbers} <= set(LISTED)
    named = {int(n) for path in files for n in re.findall(r"_(\d+)(?=_)", path.name)}
    assert named and named <= set(LISTED)
