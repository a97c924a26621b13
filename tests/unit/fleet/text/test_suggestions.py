"""A word that is not known is told with those that may have been meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given

from fleet.documents import loading
from fleet.errors import FAILURE_TABLE, InvalidInput
from fleet.inventory import HostData
from fleet.release import files
from fleet.text import suggestions
from mlufleet.cli import main
from tests.unit.fuzz import ANY_TEXT


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("CARD_BUZY", list(FAILURE_TABLE), "CARD_BUSY"),
        ("card busy", list(FAILURE_TABLE), "CARD_BUSY"),
        ("NO-SPACE", list(FAILURE_TABLE), "NO_SPACE"),
        ("HOST_KEY", list(FAILURE_TABLE), "HOST_KEY_CHANGED"),
        ("mlu1", ["mlu01", "mlu10"], "mlu01"),
        ("Rack_1", ["rack-1"], "rack-1"),
        ("baichuan7b", ["baichuan-7b", "yolact"], "baichuan-7b"),
    ],
)
def test_the_nearest_is_what_was_meant(word: str, known: list[str], found: str) -> None:
    assert (
        suggestions.find_similar(word, known)[0] == found
        and len(suggestions.find_similar(word, known)) <= suggestions.MAX_SUGGESTIONS
    )
    assert suggestions.format_suggestions(word, known).startswith(f"; nearest: {found}")


def test_where_nothing_is_like_it_nothing_is_told() -> None:
    assert (
        suggestions.format_suggestions("zzz", FAILURE_TABLE)
        == ""
        == suggestions.format_suggestions("", FAILURE_TABLE)
        == suggestions.format_suggestions("a", [])
    )


@given(word=ANY_TEXT)
def test_any_word_has_few_that_are_near(word: str) -> None:
    assert set(suggestions.find_similar(word, FAILURE_TABLE)) <= set(FAILURE_TABLE)


def said(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main.main, words)
    return done.exit_code, done.output


def test_explain_takes_any_case_and_names_the_nearest_only() -> None:
    status, told = said("explain", "card_busy")
    assert status == 0 and told.startswith("CARD_BUSY: ")
    status, told = said("explain", "CARD_BUZY")
    assert status == 3 and told.startswith("error: no failure code CARD_BUZY; nearest: CARD_BUSY")
    assert "ENGINE" not in told and len(told.splitlines()) == 1
    assert "codes: " in said("explain", "zzz")[1]


def test_a_command_an_inventory_and_a_run_are_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said("depoly", "x") == (3, "error: no command depoly; nearest: deploy\n")
    Path("inventories").mkdir()
    Path("inventories/fleet.py").write_text("")
    status, told = said("check", "inventories/flet.py")
    assert status == 3 and "; nearest: inventories/fleet.py" in told
    for name in ("20260101-101010-1", "20260102-101010-7"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "journal.jsonl").write_text("")
    for command in (("status",), ("drift",), ("report",), ("rollout", "--resume", "--run")):
        status, told = said(*command, "20260101-101010-2")
        assert status == 3 and "; nearest: 20260101-101010-1" in told, command


def test_a_release_and_a_value_are_told_so() -> None:
    with pytest.raises(
        InvalidInput, match=r"; nearest: baichuan-7b(, [a-z0-9-]+)*; known releases: "
    ):
        files.find_release("baichuan_7B")
    with pytest.raises(InvalidInput, match=r"'always'.*; nearest: always"):
        loading.validate_document(HostData, {"smoke": "allways"}, Path("x"))
