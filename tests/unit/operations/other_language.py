"""Another language than English, in which every message differs."""

from __future__ import annotations

from gettext import NullTranslations

import pytest
from typing_extensions import override

from fleet import language

MARK = "译"


class MarkedMessages(NullTranslations):
    """A catalog that has all messages: their English text after a mark."""

    @override
    def gettext(self, message: str) -> str:
        return MARK + message

    @override
    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return MARK + (msgid1 if n == 1 else msgid2)


def speak_other_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every message in that language until the end of the test."""
    monkeypatch.setattr(language, "_load_catalog", MarkedMessages)
