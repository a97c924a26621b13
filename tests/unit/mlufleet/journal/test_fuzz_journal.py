from __future__ import annotations

import copy
import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.text import sanitize
from mlufleet.cli import health
from mlufleet.journal.events import EVENT_TYPES
from mlufleet.journal.journal import Journal
from mlufleet.report import derive, publish, terminal
from tests.journals import read_events
from tests.unit.fuzz import ANY_TEXT
from tests.unit.mlufleet.report.test_derive import EVENTS
from tests.unit.mlufleet.run.test_assessment import PROVISIONED


def kept(folder: Path, events: list[dict[str, Any]]) -> bytes:
    """The bytes of a journal of these events."""
    journal = Journal(folder)
    for event in events:
        values = {key: value for key, value in event.items() if key not in ("time", "kind")}
        journal.append(EVENT_TYPES[event["kind"]](**values))
    return (folder / "journal.jsonl").read_bytes()


def told(text: str) -> list[dict[str, Any]]:
    """A run in which a host and its model say this."""
    answer = {"kind": "answer", "host": "b", "text": text}
    failed = {
        "kind": "failed",
        "host": "c",
        "stage": "driver",
        "code": "ENGINE",
        "sentence": text,
        "remedy": "r",
        "tail": [text, "größe 模型"],
    }
    return [*EVENTS[1:], answer, failed, {"kind": "kept", "host": "b", "what": text}]


@given(text=ANY_TEXT, place=st.integers(0, 100_000))
def test_a_journal_cut_at_any_byte_tells_of_all_events_before(text: str, place: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "runs/one")
        content = kept(folder, told(text))
        whole = read_events(folder)
        assert len(whole) == len(told(text)) + 1
        cut = place % (len(content) + 1)
        (folder / "journal.jsonl").write_bytes(content[:cut])
        # all but its line end is an event as well
        lines = content[:cut].count(b"\n") + (content[cut : cut + 1] == b"\n")
        assert read_events(folder) == whole[:lines]
        result = derive.write_report(folder)
        assert set(result.hosts) <= {"a", "b", "c", "d", "e"}


@given(text=ANY_TEXT)
def test_whatever_a_host_says_is_in_the_report_and_on_the_terminal(text: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "runs/one")
        kept(folder, told(text))
        result = derive.write_report(folder)
        terminal.print_summary(result, folder)
        said = sanitize.escape_line(text)
        assert result.hosts["b"].answer == said or "\\ud" in said


@given(
    noise=st.lists(
        st.one_of(st.binary(max_size=30), st.sampled_from([b"[" * 5000, b"1", b"null", b"{}"])),
        max_size=4,
    ),
    at=st.integers(0, len(EVENTS)),
)
def test_lines_that_are_no_events_hide_none(noise: list[bytes], at: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "runs/one")
        lines = kept(folder, EVENTS[1:]).splitlines(keepends=True)
        whole = read_events(folder)
        lines[at:at] = [line + b"\n" for line in noise]
        (folder / "journal.jsonl").write_bytes(b"".join(lines))
        assert read_events(folder) == whole
        derive.write_report(folder)


ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 10**20), st.floats(), ANY_TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = sorted(
    {"kind"} | {field.name for event_type in EVENT_TYPES.values() for field in fields(event_type)}
)
CHANGED = st.lists(
    st.tuples(st.integers(0, 99), st.sampled_from(FIELDS), ANY_JSON),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25)
@given(CHANGED)
def test_a_journal_with_anything_in_its_fields_is_reported_in_every_form(
    changed: list[tuple[int, str, Any]],
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "runs/20260101-000000-1")
        told_of = copy.deepcopy([*PROVISIONED[:-1], *told("x"), PROVISIONED[-1]])
        for at, field, value in changed:
            told_of[at % len(told_of)][field] = value
        folder.mkdir(parents=True)
        (folder / "journal.jsonl").write_text("\n".join(map(json.dumps, told_of)))
        found = derive.write_report(folder)
        publish.write_exports(found, folder)
        terminal.print_summary(found, folder)
        health.print_health(found)
        health.describe_locks(found)
