"""What a patch makes of the text of a file; the same on a host and in a proof."""

from __future__ import annotations

from pathlib import Path

from fleet.language import _
from fleet.release.model import Patch


def find_anchor(patch: Patch) -> str:
    """Return the text that a patch looks for.

    Args:
        patch: A substitution or an insertion.
    """
    anchor = patch.find if patch.find is not None else patch.after
    assert anchor is not None
    return anchor


def apply_patch(text: str, patch: Patch, store: Path = Path()) -> str:
    """Return a text with a patch applied.

    Args:
        text: Content of the file; for a patch with a source, content of the file in the source.
        patch: The patch.
        store: Folder with the file that a patch may replace the text by; default the current one.

    Raises:
        ValueError: The anchor does not occur exactly as often as the patch says.
    """
    if patch.source is not None:
        return text
    if patch.store is not None:
        return (store / patch.store).read_bytes().decode()
    if patch.content is not None:
        return patch.content
    anchor = find_anchor(patch)
    count = text.count(anchor)
    if count != patch.count:
        raise ValueError(
            _(
                "{anchor!r} occurs {count} times, the patch expects {expected}",
                anchor=anchor,
                count=count,
                expected=patch.count,
            )
        )
    if patch.find is not None:
        return text.replace(patch.find, patch.replace or "")
    return text.replace(anchor, anchor + (patch.insert or ""))
