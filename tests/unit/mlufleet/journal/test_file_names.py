"""Hosts' names as names of files: one file for each host, in any script and locale."""

from __future__ import annotations

import os

import pytest

from mlufleet.journal.journal import safe_file_name


def test_each_host_has_a_file_of_its_own() -> None:
    names = ["机柜1-节点01", "机房1-机器01", "fe80::1%eth0", "mlu01.rack-1", "机" * 100, "机" * 101]
    stems = [safe_file_name(name) for name in names]
    assert stems[:4] == ["机柜1-节点01", "机房1-机器01", "fe80__1_eth0", "mlu01.rack-1"]
    assert len(set(stems)) == len(names)
    assert all(len(os.fsencode(stem)) <= 200 and "/" not in stem for stem in stems)


def test_a_locale_without_these_letters_has_such_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsencode", lambda name: name.encode("latin-1"))
    stems = [safe_file_name(name) for name in ("机柜1-节点01", "机房1-机器01")]
    assert stems[0] != stems[1] and all(stem.isascii() for stem in stems)
