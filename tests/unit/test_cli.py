from __future__ import annotations

from pathlib import Path

import pytest

from fleet.failures import InvalidInput, reference
from fleet.launch import validated
from fleet.wanted import Wanted


def native(site: Path, **data: object) -> str:
    """An inventory in Python, as pyinfra's own users have it."""
    path = site / "hosts.py"
    path.write_text(f"all = [('a', {data!r})]\n")
    return str(path)


def test_a_native_inventory_is_read_as_pyinfra_reads_it(site: Path, wanted: Wanted) -> None:
    release, store = str(site / "small.yml"), str(site / "store")
    inventory = native(site, release=release, store=store, groups=4, cards=2)
    assert validated(inventory) == [("a", release, store)]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("release", 5, "a: release: Input should be a valid string"),
        ("release", ["x"], "a: release: "),
        ("release", "", "a has no `release`"),
        ("cards", "two", "a: cards: Input should be a valid integer"),
        ("smoke", "sometimes", "a: smoke: Input should be 'auto' or 'always'"),
    ],
)
def test_wrong_values_in_it_are_told_before_the_first_connection(
    site: Path, wanted: Wanted, name: str, value: object, said: str
) -> None:
    data = {"release": str(site / "small.yml"), "store": str(site / "store"), name: value}
    inventory = native(site, **data)
    with pytest.raises(InvalidInput) as error:
        validated(inventory)
    assert str(error.value).startswith(f"{inventory}: {said}")


def test_the_page_of_failure_codes_is_the_table() -> None:
    page = Path(__file__).parents[2] / "docs/failures.md"
    assert page.read_text() == reference(), "mlufleet explain --markdown > docs/failures.md"
