"""The reader of compiled catalogs finds what Python's own reader finds."""

from __future__ import annotations

import gettext
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from fleet.compiled_catalog import CompiledCatalog
from fleet.language import CHINESE, DOMAIN
from tests.unit import PROJECT

CATALOG = PROJECT / "fleet/locale" / CHINESE / "LC_MESSAGES" / f"{DOMAIN}.po"


def test_every_message_is_what_gettext_finds(tmp_path: Path) -> None:
    with CATALOG.open("rb") as file:
        messages = read_po(file)
    compiled = tmp_path / "all.mo"
    with compiled.open("wb") as file:
        write_mo(file, messages)
    with compiled.open("rb") as file:
        wanted = gettext.GNUTranslations(file)
    found = CompiledCatalog(compiled)
    identities = [message.id for message in messages if message.id]
    assert len(identities) > 2000
    for identity in identities:
        if isinstance(identity, str):
            assert found.gettext(identity) == wanted.gettext(identity)
        else:
            singular, plural = identity
            for count in (0, 1, 2):
                assert found.ngettext(singular, plural, count) == wanted.ngettext(
                    singular, plural, count
                )
    lacking = [" ", "zz", "not in the catalog", "~"]
    assert [found.gettext(text) for text in lacking] == lacking
    assert [found.ngettext("a host", "hosts", count) for count in (1, 2)] == ["a host", "hosts"]


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mo").write_bytes(b"\0" * 100)
    with pytest.raises(ValueError, match="not a compiled catalog"):
        CompiledCatalog(tmp_path / "a.mo")
