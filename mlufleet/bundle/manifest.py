"""The manifest of a bundle: every file with its size and sha256.

It is what `sha256sum --check` reads (sizes are its comments), so that a bundle can be proved where
there is no mlufleet yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from fleet.errors import Refused
from fleet.store.paths import unfit

NAME, SIGNATURE = "MANIFEST", "MANIFEST.sig"
HEAD = "# mlu-fleet bundle 1\n"
#: bytes; more is no manifest
LARGEST = 64 << 20
#: a file that is not whole or not proved
PART = ".mlufleet-part"


@dataclass(frozen=True)
class Entry:
    name: str
    size: int
    sha256: str


def text_of(entries: list[Entry]) -> str:
    """:raises Refused: a name has no place in a bundle"""
    for entry in entries:
        _proper(entry.name)
    return HEAD + "".join(f"# {e.size}\n{e.sha256}  {e.name}\n" for e in entries)


def read(content: bytes) -> list[Entry]:
    """:raises Refused: it is no manifest, or names what has no place in a bundle"""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Refused("BUNDLE_MEMBER", f"{NAME} is not UTF-8") from error
    if not text.startswith(HEAD):
        raise Refused("BUNDLE_MEMBER", f"{NAME} does not begin with {HEAD.strip()!r}")
    body = text[len(HEAD) :]
    found = re.findall(r"# (\d{1,15})\n([0-9a-f]{64})  ([^\n]+)\n", body)
    entries = [Entry(_proper(name), int(size), sha) for size, sha, name in found]
    if text_of(entries) != text:
        raise Refused("BUNDLE_MEMBER", f"{NAME} has lines that are none of a manifest")
    names = {entry.name for entry in entries}
    if len(names) != len(entries):
        raise Refused("BUNDLE_MEMBER", f"{NAME} names a file twice")
    for name in sorted(names):
        if above := names.intersection(map(str, PurePosixPath(name).parents)):
            said = f"a file where {name!r} has a folder: {above.pop()!r}"
            raise Refused("BUNDLE_MEMBER", f"{NAME} has {said}")
    return entries


def _proper(name: str) -> str:
    """The path of a file below the folder: normal, relative, on one line, and none of ours."""
    parts = name.split("/")
    normal = str(PurePosixPath(name)) == name and not name.startswith("/")
    ours = name in (NAME, SIGNATURE) or name.endswith(PART)
    if not normal or any(map(unfit, parts)) or ours or {".", ".."} & set(parts):
        raise Refused("BUNDLE_MEMBER", f"a file named {name!r}")
    return name
