"""Failure codes are an interface: scripts match them, journals and reports keep them."""

from __future__ import annotations

import re

import pytest

from fleet.error_codes import (
    ACTIONS,
    CODE_ALIASES,
    DEFERRED_CODES,
    FAILURE_TABLE,
    IGNORE,
    POWER_CYCLE,
    REBOOT,
    RESTART,
    SYMPTOM_CODES,
)
from fleet.errors import CodedInputError, Failure


@pytest.mark.parametrize(
    ("former", "code"),
    [
        ("FILE_SPOILT", "CHECKSUM_MISMATCH"),
        ("FETCHED_OTHER", "DOWNLOAD_MISMATCH"),
        ("NO_WAY_BACK", "NO_ROLLBACK_TARGET"),
    ],
)
def test_a_code_that_was_renamed_is_understood(former: str, code: str) -> None:
    assert Failure(former, "x") == Failure(code, "x")
    assert CodedInputError(former).failure.code == code


def test_codes_in_other_tables_have_a_remedy() -> None:
    named = {*CODE_ALIASES.values(), *DEFERRED_CODES, *SYMPTOM_CODES.values()}
    assert named <= FAILURE_TABLE.keys() and not CODE_ALIASES.keys() & FAILURE_TABLE.keys()


def test_a_remedy_is_sentences_and_a_meaning_is_none() -> None:
    for code, info in FAILURE_TABLE.items():
        assert info.remedy.endswith(".") and not info.meaning.endswith("."), code


def test_a_suggested_action_is_what_the_remedy_says() -> None:
    for code, info in FAILURE_TABLE.items():
        assert info.action in ACTIONS, code
        says_power = "power-cycle" in info.remedy.lower()
        assert (info.action == POWER_CYCLE) == says_power, code
        assert (info.action == REBOOT) == ("Reboot the host" in info.remedy), code
        if info.action == RESTART:
            assert re.search("[Rr]un again|A run starts it again", info.remedy), code
    ignored = {code for code, info in FAILURE_TABLE.items() if info.action == IGNORE}
    assert ignored == {*DEFERRED_CODES, "LOCKED", "PACKAGE_LOCKED"}


def test_an_unknown_code_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="NO_SUCH_CODE"):
        Failure("NO_SUCH_CODE")
