"""What a release's comparison tells in another language: the reader's words, the lock's English."""

from __future__ import annotations

import gettext
import re
from typing import Any

import pytest
from typing_extensions import override

from fleet import language
from fleet.language import text_of
from fleet.proof.requirement_files import UnknownText
from tests.unit.fleet.proof.conftest import Try

MARK = "译"


class MarkedCatalog(gettext.NullTranslations):
    """A language in which every message begins with a mark."""

    @override
    def gettext(self, message: str) -> str:
        return f"{MARK}{message}"


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_load_catalog", MarkedCatalog)


def smoke(*command: str, **fields: Any) -> dict[str, Any]:
    return {"smoke": {"command": list(command), **fields}}


UNPROVED: dict[str, dict[str, Any]] = {
    "a module": smoke("python", "-m", "tools.chat"),
    "a variable": smoke("sh", "-c", "cd $HOME && python demo.py"),
    "a loop": smoke("sh", "-c", "for n in 1 2; do python demo.py; done"),
    "a copy": smoke("sh", "-c", "cp tools/chat.py new.py && python new.py"),
    "a result": smoke("python", "demo.py", "--image=data/in.jpg:out/result.jpg"),
    "a program of the image": smoke("/usr/bin/cat", "demo.py"),
    "a source without a bundle": smoke("python", "a.py", workdir="/workspace/fork"),
    "packages": {
        "packages": {"pip": [{"editable": "/workspace/fork"}, {"requirements": "/etc/none.txt"}]}
    },
    "a patch": {"patches": [{"file": "/workspace/fork/a.py", "find": "a", "replace": "b"}]},
    "a server": {"serve": {"model": "/workspace/weights", "question": "2+2?", "expect": "4"}},
}


@pytest.mark.parametrize("fields", UNPROVED.values(), ids=UNPROVED.keys())
def test_a_lock_has_the_same_unproved_points_in_every_language(
    fields: dict[str, Any], prove: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_english = prove(fields).unproved
    monkeypatch.setattr(language, "_load_catalog", MarkedCatalog)
    assert in_english and prove(fields).unproved == in_english


@pytest.mark.usefixtures("marked")
def test_a_finding_begins_with_its_line_and_field_in_every_language(prove: Try) -> None:
    tried = prove(smoke("python", "missing.py"))
    place, problem = re.split(r"(?<=: )(?=译)", tried.findings[0], maxsplit=1)
    assert re.fullmatch(r"\d+: smoke\.command: ", place)
    assert "missing.py" in problem


@pytest.mark.usefixtures("marked")
def test_the_text_of_an_exception_is_known_in_english() -> None:
    error = UnknownText(language._("{path} is a folder", path="/a"))
    outer = language._("{what} is not known: {reason}", what="b", reason=error)
    assert text_of(error) == "译/a is a folder"
    assert outer == "译b is not known: 译/a is a folder"
    assert language.english(outer) == "b is not known: /a is a folder"


@pytest.mark.usefixtures("marked")
def test_joined_messages_are_known_in_english() -> None:
    joined = language.join(language._(" or "), ["a", language._("the image")])
    assert joined == "a译 or 译the image"
    assert language.english(joined) == "a or the image"
    assert not isinstance(language.join(", ", ["a", "b"]), language.Message)
