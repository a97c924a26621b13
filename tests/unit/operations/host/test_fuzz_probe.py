from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.proof import locking
from fleet.release import files
from fleet.release.target import ReleaseTarget
from operations.engine import parse_version
from operations.host.facts import HostFacts
from operations.host.probe_parser import BEGIN_MARKER, END_MARKER, ProbeError, parse
from operations.stage import HostOptions
from operations.stages import find_drift
from tests.unit.conftest import DRIVEN
from tests.unit.fuzz import ANY_TEXT
from tests.unit.operations.stage_helpers import as_spec

SAMPLE = [
    line.replace("|", "\t")
    for line in (
        *DRIVEN,
        "module|loaded",
        "secureboot|0",
        "holder|77|python|" + "ab" * 32,
        "tagged|sha256:1",
        "image|sha256:1",
        "container|id|sha256:1|true|77|spec",
        "stale|/usr/bin/cnmon",
        "source|/data/share/model|" + "cd" * 20 + "|0",
        "source|/data/share/other|foreign|0",
        "tree|/data/share/model_mlu|12 34",
        "file|/data/share/model_mlu/a.py|" + "ef" * 32,
        "stamp|smoke|0123456789abcdef",
        "machine|ab12 host 0000:42",
        "next|4.15.0-99-generic",
        "module-for|4.15.0-99-generic|5.10.10",
        "usedns|yes",
        "silent|container",
        "facts|0123",
        "site|4567",
        "read-only|/data",
        "disk|/data|1000|200",
        "lock|run|me@here|2026-01-01T00:00:00Z|20|why|3",
        "job|run|me@here|smoke|ask|-10",
    )
]
WHOLE = [BEGIN_MARKER, *SAMPLE, END_MARKER]
LINES = st.lists(st.one_of(ANY_TEXT, st.sampled_from(WHOLE)), max_size=30)


@pytest.fixture(scope="module")
def small(template: Any) -> ReleaseTarget:
    document = files.load_document(template / "small.yml")
    lock = locking.create_lock(document, template / "store")
    return ReleaseTarget(document.release, lock, template / "store")


def parsed(lines: list[str]) -> HostFacts | None:
    """The state, all of whose answers can be asked for; None for a ProbeError."""
    try:
        state = parse(lines, 1000.0)
    except ProbeError as error:
        assert len(str(error)) < 2000
        return None
    assert isinstance(state.os_key + state.loaded_driver, str)
    assert set(state.present_cards) <= set(state.cards)
    return state


@st.composite
def damaged(draw: st.DrawFn) -> list[str]:
    """A real probe's output with fields lost, changed and doubled."""
    lines = [line.split("\t") for line in SAMPLE]
    values = st.one_of(
        ANY_TEXT, st.sampled_from(["", "-1", "nan", "inf", "1e999", "9" * 400, "9" * 5000, "0x1"])
    )
    for _ in range(draw(st.integers(1, 6))):
        fields = draw(st.sampled_from(lines))
        at = draw(st.integers(0, len(fields)))
        fields[at : at + draw(st.integers(0, 2))] = draw(st.lists(values, max_size=2))
    return [BEGIN_MARKER, *("\t".join(fields) for fields in lines), END_MARKER]


@given(LINES)
def test_any_lines_are_a_state_or_a_probe_error(lines: list[str]) -> None:
    parsed(lines)
    parsed([BEGIN_MARKER, *lines, END_MARKER])


@given(lines=damaged())
def test_every_state_that_a_probe_gives_can_be_decided_upon(
    small: ReleaseTarget, lines: list[str]
) -> None:
    if state := parsed(lines):
        assert isinstance(find_drift(as_spec(small, HostOptions(cards=2)), state), dict)


@given(st.data())
def test_output_cut_at_any_byte_is_the_whole_state_or_an_error(data: st.DataObject) -> None:
    content = "\n".join(["Welcome!", *WHOLE, "bye", ""]).encode()
    cut = content[: data.draw(st.integers(0, len(content)))].decode(errors="surrogateescape")
    assert parsed(cut.split("\n")) in (None, parsed(WHOLE))


@given(st.permutations(SAMPLE))
def test_the_order_of_lines_means_nothing(lines: list[str]) -> None:
    def told(state: HostFacts | None) -> dict[str, Any]:
        assert state is not None
        fields = dataclasses.asdict(state).items()
        return {k: sorted(map(str, v)) if isinstance(v, list) else v for k, v in fields}

    assert told(parsed([BEGIN_MARKER, *lines, END_MARKER])) == told(parsed(WHOLE))


@given(
    LINES, st.lists(st.one_of(ANY_TEXT, st.sampled_from([BEGIN_MARKER, END_MARKER])), max_size=10)
)
def test_a_banner_changes_nothing_even_with_markers_in_it(
    before: list[str], after: list[str]
) -> None:
    expected = (
        None if BEGIN_MARKER in after else parsed(WHOLE)
    )  # in a goodbye it cannot be told apart
    assert parsed([*before, *WHOLE, *after, END_MARKER]) == expected


@given(st.integers(1, len(WHOLE) - 1))
def test_a_whole_probe_in_the_banner_is_not_taken_for_one_that_was_cut(cut: int) -> None:
    assert parsed([*WHOLE, *WHOLE[:cut]]) is None


@pytest.mark.parametrize(
    ("text", "older"),
    [("9" * 5000, False), ("20.10.24-ce", False), ("", True), ("x", True), ("-1", True)],
)
def test_a_docker_version_of_any_text_can_be_compared(text: str, older: bool) -> None:
    assert (parse_version(text) < parse_version("19.03")) is older


@pytest.mark.parametrize(
    "banner",
    [["x" * 10_000_000], ["x" * 9] * 1_000_000, ["", BEGIN_MARKER] * 500_000, ["\t" * 10_000_000]],
    ids=["line", "lines", "markers", "tabs"],
)
def test_ten_megabytes_around_and_inside_are_read_in_seconds(banner: list[str]) -> None:
    started = time.process_time()
    assert parsed([*banner, *WHOLE, *(line for line in banner if line != BEGIN_MARKER)]) == parsed(
        WHOLE
    )
    parsed([BEGIN_MARKER, *banner, END_MARKER])
    assert time.process_time() - started < 10
