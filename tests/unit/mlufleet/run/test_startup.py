"""The cheaper start changes nothing for what is imported, or afterwards."""

from __future__ import annotations

import gc
from importlib import metadata

import pytest

from mlufleet.run import startup

GROUP = "console_scripts"


def test_plugins_are_found_and_all_is_as_before_also_after_an_error() -> None:
    read, found = metadata.entry_points, set(metadata.entry_points(group=GROUP))
    assert found and gc.isenabled()
    with pytest.raises(ImportError), startup.cheap_imports():
        assert set(metadata.entry_points(group=GROUP)) == found
        assert not gc.isenabled()
        raise ImportError
    assert metadata.entry_points is read and gc.isenabled()
    gc.unfreeze()


def test_packages_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0

    def distributions() -> object:
        nonlocal reads
        reads += 1
        return metadata.Distribution.discover()

    monkeypatch.setattr(metadata, "distributions", distributions)
    with startup.cheap_imports():
        for _ in range(3):
            metadata.entry_points(group="gevent.plugins.monkey.will_patch_all")
    assert reads == 1
    gc.unfreeze()
