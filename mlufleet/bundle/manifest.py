"""The manifest of a bundle: every file with its size and sha256.

It is what `sha256sum --check` reads (sizes are its comments), so that a bundle can be proved where
there is no mlufleet yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from fleet.errors import CodedInputError
from fleet.store.paths import find_name_problem

MANIFEST_NAME, SIGNATURE_NAME = "MANIFEST", "MANIFEST.sig"
HEADER_LINE = "# mlu-fleet bundle 1\n"
#: bytes; more is no manifest
MAX_MANIFEST_BYTES = 64 << 20
#: a file that is not whole or not proved
PART_SUFFIX = ".mlufleet-part"


@dataclass(frozen=True)
class BundleEntry:
    name: str
    size: int
    sha256: str


def render_entries(entries: list[BundleEntry]) -> str:
    """:raises Refused: a name has no place in a bundle"""
    for entry in entries:
        _check_name(entry.name)
    return HEADER_LINE + "".join(f"# {e.size}\n{e.sha256}  {e.name}\n" for e in entries)


def parse_entries(content: bytes) -> list[BundleEntry]:
    """:raises Refused: it is no manifest, or names what has no place in a bundle"""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CodedInputError("BUNDLE_MEMBER", f"{MANIFEST_NAME} is not UTF-8") from error
    if not text.startswith(HEADER_LINE):
        raise CodedInputError(
            "BUNDLE_MEMBER", f"{MANIFEST_NAME} does not begin with {HEADER_LINE.strip()!r}"
        )
    body = text[len(HEADER_LINE) :]
    found = re.findall(r"# (\d{1,15})\n([0-9a-f]{64})  ([^\n]+)\n", body)
    entries = [BundleEntry(_check_name(name), int(size), sha) for size, sha, name in found]
    if render_entries(entries) != text:
        raise CodedInputError(
            "BUNDLE_MEMBER", f"{MANIFEST_NAME} has lines that are none of a manifest"
        )
    names = {entry.name for entry in entries}
    if len(names) != len(entries):
        raise CodedInputError("BUNDLE_MEMBER", f"{MANIFEST_NAME} names a file twice")
    for name in sorted(names):
        if above := names.intersection(map(str, PurePosixPath(name).parents)):
            said = f"a file where {name!r} has a folder: {above.pop()!r}"
            raise CodedInputError("BUNDLE_MEMBER", f"{MANIFEST_NAME} has {said}")
    return entries


def _check_name(name: str) -> str:
    """The path of a file below the folder: normal, relative, on one line, and none of ours."""
    parts = name.split("/")
    normal = str(PurePosixPath(name)) == name and not name.startswith("/")
    ours = name in (MANIFEST_NAME, SIGNATURE_NAME) or name.endswith(PART_SUFFIX)
    if not normal or any(map(find_name_problem, parts)) or ours or {".", ".."} & set(parts):
        raise CodedInputError("BUNDLE_MEMBER", f"a file named {name!r}")
    return name
