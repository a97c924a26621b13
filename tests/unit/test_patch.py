from __future__ import annotations

import pytest

from fleet.release import Patch
from operations.patch import patched

SHA = "0" * 64


def test_a_substitution_applies_as_often_as_it_says() -> None:
    patch = Patch(file="/f", find="torch>=1.10", replace="torch>=1.9", sha256=SHA)
    assert patched("a torch>=1.10 b", patch) == "a torch>=1.9 b"


@pytest.mark.parametrize("text", ["", "torch>=1.9", "torch>=1.10 torch>=1.10"])
def test_an_anchor_that_is_absent_or_ambiguous_is_refused(text: str) -> None:
    patch = Patch(file="/f", find="torch>=1.10", replace="torch>=1.9", sha256=SHA)
    with pytest.raises(ValueError, match="times, the patch expects 1"):
        patched(text, patch)


def test_an_insertion_keeps_its_anchor() -> None:
    patch = Patch(file="/f", after="one\n", insert="two\n", sha256=SHA)
    assert patched("one\nthree\n", patch) == "one\ntwo\nthree\n"


def test_a_replacement_is_the_whole_file() -> None:
    assert patched("old", Patch(file="/f", content="new", sha256=SHA)) == "new"


def test_a_patch_is_of_one_kind() -> None:
    with pytest.raises(ValueError, match="say one of"):
        Patch(file="/f", find="a", replace="b", content="c", sha256=SHA)
