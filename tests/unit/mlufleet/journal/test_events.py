"""Every event that the code emits is one that the journal knows, with the fields that it has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from mlufleet.journal import events, journal
from mlufleet.report.derive import derive_from_journal
from tests.unit import PROJECT

#: functions that emit an event: a host, its kind, and its fields by keyword
EMITTERS = ("emit", "emit_event")


def emissions() -> Iterator[tuple[str, str, set[str], bool]]:
    """Place, kind and keywords of each call, and whether these are all of its fields."""
    for path in (*(PROJECT / "operations").rglob("*.py"), *(PROJECT / "mlufleet").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            called = node.func.id if isinstance(node.func, ast.Name) else called
            kinds = [
                constant.value
                for constant in ast.walk(node.args[1])
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
            ]
            names = {keyword.arg for keyword in node.keywords if keyword.arg}
            is_whole = len(names) == len(node.keywords)
            for kind in kinds if called in EMITTERS else ():
                yield f"{path.relative_to(PROJECT)}:{node.lineno}", kind, names, is_whole


def test_every_emitted_event_has_a_type_with_its_fields() -> None:
    found = list(emissions())
    assert {kind for _, kind, _, _ in found} >= {"step", "stage", "stage-done", "failed", "begin"}
    for place, kind, names, is_whole in found:
        assert kind in events.EVENT_TYPES, place
        known = {field.name: field for field in fields(events.EVENT_TYPES[kind])}
        assert names <= known.keys(), place
        needed = {
            name
            for name, field in known.items()
            if field.default is MISSING and field.default_factory is MISSING
        }
        assert not is_whole or needed <= names, place


def test_every_type_has_a_kind_of_its_own() -> None:
    types = list(events.EVENT_TYPES.values())
    assert len(types) == len(set(types)) == len({event_type.kind for event_type in types})


@pytest.mark.parametrize(
    "line",
    [
        None,
        [],
        {"kind": "stage", "host": "a", "stage": "driver"},  # without a time
        {"time": 1, "kind": ["stage"], "host": "a", "stage": "driver"},
        {"time": 1, "kind": "stage", "host": "a"},
        {"time": 1, "kind": "stage", "host": "a", "stage": {"name": "driver"}},
        {"time": float("nan"), "kind": "stage", "host": "a", "stage": "driver"},
        {"time": 1, "kind": "unheard of", "host": "a"},
    ],
)
def test_what_is_no_event_is_none(line: object) -> None:
    assert events.parse(line) is None


def test_a_field_that_is_null_has_its_default() -> None:
    line = {"time": 1, "kind": "transfer", "host": "a", "sent": 5, "stage": None, "swarmed": None}
    assert events.parse(line) == events.TransferDone(host="a", time=1, sent=5)


def test_a_journal_says_in_which_language_its_sentences_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLUFLEET_LANG", "zh_CN")
    kept = journal.Journal(tmp_path / "20260101-000000-1")
    kept.append(events.HostsNamed(names=["a"]))
    assert derive_from_journal(kept.folder).language == "zh_CN"
