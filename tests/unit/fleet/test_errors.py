"""Failure codes are an interface: scripts match them, journals and reports keep them."""

from __future__ import annotations

import pytest

from fleet.error_codes import CODE_ALIASES, DEFERRED_CODES, FAILURE_TABLE, SYMPTOM_CODES
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


def test_an_unknown_code_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="NO_SUCH_CODE"):
        Failure("NO_SUCH_CODE")
