from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.release import snapshot
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store.targets import load_host_target


def test_a_release_comes_back_from_a_host_as_it_went(wanted: ReleaseTarget, tmp_path: Path) -> None:
    text = snapshot.write_snapshot(HostTarget((wanted,), wanted.store)).read_text()
    said = snapshot.restore_snapshot(text, tmp_path / "back", "host")
    assert said["releases"] is None
    back = load_host_target({**said, "store": str(wanted.store)})
    assert back.primary.release == wanted.release and back.primary.lock == wanted.lock
    assert back.identity == wanted.identity


def test_the_only_release_of_a_host_keeps_its_cards(wanted: ReleaseTarget, tmp_path: Path) -> None:
    only = replace(wanted, cards=(1,), key="name")
    gone = HostTarget((only,), wanted.store)
    said = snapshot.restore_snapshot(snapshot.write_snapshot(gone).read_text(), tmp_path, "host")
    assert said["release"] is None
    back = load_host_target({**said, "store": str(wanted.store)})
    assert back.primary.cards == (1,) and back.primary.key
    assert back.identity == gone.identity


def test_a_store_that_lacks_its_files_is_named(wanted: ReleaseTarget, tmp_path: Path) -> None:
    text = snapshot.write_snapshot(HostTarget((wanted,), wanted.store)).read_text()
    (wanted.store / "driver.deb").unlink()
    said = snapshot.restore_snapshot(text, tmp_path / "other", "host")
    with pytest.raises(InvalidInput, match=r"driver\.deb: missing"):
        load_host_target({**said, "store": str(wanted.store)})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"release": {}, "lock": {}}', "\x00", "{" * 9999]
)
def test_what_is_no_document_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        snapshot.restore_snapshot(text, tmp_path, "host")
