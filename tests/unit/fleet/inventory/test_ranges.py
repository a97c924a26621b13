from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.inventory import ranges


def names(pattern: str) -> list[str]:
    return [host.name for host in ranges.expand_pattern(pattern)]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("mlu01", ["mlu01"]),
        ("mlu[08-11].rack1", ["mlu08.rack1", "mlu09.rack1", "mlu10.rack1", "mlu11.rack1"]),
        ("m[8-11]", ["m8", "m9", "m10", "m11"]),
        ("m[0-2]", ["m0", "m1", "m2"]),
        ("m[007-008]", ["m007", "m008"]),
        ("m[1-9:3]", ["m1", "m4", "m7"]),
        ("m[a-c]", ["ma", "mb", "mc"]),
        ("m[a,c,gpu]", ["ma", "mc", "mgpu"]),
        ("m[01-02,7,x]", ["m01", "m02", "m7", "mx"]),
        ("[1-2][a-b]", ["1a", "1b", "2a", "2b"]),
        ("[5-5]", ["5"]),
    ],
)
def test_a_range_is_the_names_as_they_would_be_written_out(pattern: str, said: list[str]) -> None:
    assert names(pattern) == said


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("m[01-40", "unbalanced"),
        ("m01-40]", "unbalanced"),
        ("m[[1-2]]", "unbalanced"),
        ("m[]", "write [01-40]"),
        ("m[1-]", "write [01-40]"),
        ("m[1:5]", "write [01-40]"),
        ("m[1,,2]", "write [01-40]"),
        ("m[é-ü]", "write [01-40]"),
        ("m[１-２]", "write [01-40]"),
        ("m[40-01]", "01 comes before 40"),
        ("m[c-a]", "a comes before c"),
        ("m[01-100]", "01 and 100 must have the same number of digits"),
        ("m[1-040]", "1 and 040 must have the same number of digits"),
        ("m[1-b]", "are not both numbers"),
        ("m[a-Z]", "are not both numbers"),
        ("m[1-9:0]", "the step must be at least 1"),
        ("m[1-999999999]", "more than 10000"),
        ("m[1-101][1-100]", "more than 10000"),
        ("m[1-9000,1-9000]", "more than 10000"),
        ("m" + "[1-10]" * 300_000, "more than 10000"),
    ],
)
def test_a_range_that_cannot_be_meant_is_refused_at_once(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        ranges.expand_pattern(pattern)


def test_as_many_hosts_as_are_allowed() -> None:
    assert len(set(names("m[1-100][001-100]"))) == len(names("m[0001-9999,x]")) == ranges.MAX_HOSTS


def test_every_span_of_two_digits_counts_as_numbers_do() -> None:
    for low, high, step in product(range(30), range(30), range(1, 5)):
        pattern = f"[{low:02}-{high:02}:{step}]"
        if low <= high:
            assert names(pattern) == [f"{n:02}" for n in range(low, high + 1, step)]
        else:
            with pytest.raises(ValueError, match="comes before"):
                ranges.expand_pattern(pattern)


WORDS = st.text("abcxyz019_.", min_size=1, max_size=4)
LISTS = st.lists(WORDS, min_size=1, max_size=4)


@given(st.lists(st.tuples(WORDS, LISTS), max_size=4), WORDS)
def test_several_brackets_are_their_product(pieces: list[tuple[str, list[str]]], end: str) -> None:
    pattern = "".join(f"{text}[{','.join(items)}]" for text, items in pieces) + end
    found = ranges.expand_pattern(pattern)
    assert [host.bracket_values for host in found] == list(product(*(items for _, items in pieces)))
    for host in found:
        assert (
            host.name
            == "".join(t + p for (t, _), p in zip(pieces, host.bracket_values, strict=True)) + end
        )


@given(st.text("[]-:,019aZ \n\0é{", max_size=30))
def test_any_text_is_names_without_brackets_or_an_error(pattern: str) -> None:
    try:
        found = names(pattern)
    except ValueError:
        return
    assert 1 <= len(found) <= ranges.MAX_HOSTS
    assert not any("[" in name or "]" in name for name in found)


def test_placeholders_are_filled_wherever_a_text_is() -> None:
    host = ranges.expand_pattern("mlu[01-02].rack[a-b]")[1]
    value = {
        "x": ["{name}", ("{1}-{2}-{1:d}",)],
        "{1}": 5,
        "shell": "${1} {{1}} {} ${HOME}",
        "no": None,
    }
    assert ranges.fill_placeholders(value, host) == {
        "x": ["mlu01.rackb", ("01-b-1",)],
        "{1}": 5,
        "shell": "${1} {{1}} {} ${HOME}",
        "no": None,
    }


@pytest.mark.parametrize("text", ["{3}", "{0}", "{nmae}", "x{01}"])
def test_a_placeholder_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"available: \{name\}, \{1\}, "):
        ranges.fill_placeholders(text, ranges.expand_pattern("m[1-2][3-4]")[0])


def test_names_and_ranges_may_be_chinese() -> None:
    names = [name for name, _ in ranges.expand_pattern("机柜[一,二]-节点[09-10]")]
    assert names == ["机柜一-节点09", "机柜一-节点10", "机柜二-节点09", "机柜二-节点10"]
