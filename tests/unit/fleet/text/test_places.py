"""Where files lie, in a few words."""

from __future__ import annotations

import pytest

from fleet.text.places import format_places


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        ([], ""),
        (["/data/ftp/a.tar"], "/data/ftp/a.tar"),
        (["/data/b/2", "/data/b/1"], "/data/b"),
        (["/3", "/data/b/1", "/data/a/1"], "/, /data/a and 1 more"),
    ],
)
def test_a_file_is_named_and_of_several_files_their_folders(paths: list[str], shown: str) -> None:
    assert format_places(paths, 2) == shown
