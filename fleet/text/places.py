"""Where files lie, in a few words."""

from __future__ import annotations

from collections.abc import Collection

from fleet.text import word_lists


def format_places(paths: Collection[str], limit: int) -> str:
    """Return the path of a single file, or the folders that several files lie in.

    Args:
        paths: Absolute paths of the files.
        limit: Folders that are named; the others are counted.
    """
    places = sorted(set(paths))
    if len(paths) > 1:
        places = sorted({path.rpartition("/")[0] or "/" for path in places})
    return word_lists.join_some(places, limit)
