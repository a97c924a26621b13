"""The manifest of a bundle: every file with its size and sha256.

`sha256sum --check` can read it (the sizes are comments), so that a bundle can be verified without
mlufleet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from fleet.errors import CodedInputError
from fleet.language import _
from fleet.store.paths import find_name_problem

MANIFEST_NAME, SIGNATURE_NAME = "MANIFEST", "MANIFEST.sig"
HEADER_LINE = "# mlu-fleet bundle 1\n"
MAX_MANIFEST_BYTES = 64 << 20
#: suffix of a file that is not complete and verified yet
PART_SUFFIX = ".mlufleet-part"


@dataclass(frozen=True)
class BundleEntry:
    """A file of a bundle.

    Attributes:
        name: path below the folder of the bundle.
        size: bytes.
        sha256: lower-case hexadecimal digits.
    """

    name: str
    size: int
    sha256: str


def render_entries(entries: list[BundleEntry]) -> str:
    """Render a manifest.

    Args:
        entries: the files.

    Returns:
        Text of the manifest.

    Raises:
        CodedInputError: a name is not allowed in a bundle.
    """
    for entry in entries:
        _check_name(entry.name)
    return HEADER_LINE + "".join(f"# {e.size}\n{e.sha256}  {e.name}\n" for e in entries)


def parse_entries(content: bytes) -> list[BundleEntry]:
    """Parse a manifest.

    Args:
        content: bytes of the manifest.

    Returns:
        The files.

    Raises:
        CodedInputError: it is not a manifest, or a name in it is not allowed in a bundle.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CodedInputError(
            "BUNDLE_MEMBER", _("{file} is not UTF-8", file=MANIFEST_NAME)
        ) from error
    if not text.startswith(HEADER_LINE):
        raise CodedInputError(
            "BUNDLE_MEMBER",
            _(
                "{file} does not begin with {line!r}",
                file=MANIFEST_NAME,
                line=HEADER_LINE.strip(),
            ),
        )
    body = text[len(HEADER_LINE) :]
    lines = re.findall(r"# (\d{1,15})\n([0-9a-f]{64})  ([^\n]+)\n", body)
    entries = [BundleEntry(_check_name(name), int(size), sha) for size, sha, name in lines]
    if render_entries(entries) != text:
        raise CodedInputError(
            "BUNDLE_MEMBER",
            _("{file} has lines in another format", file=MANIFEST_NAME),
        )
    names = {entry.name for entry in entries}
    if len(names) != len(entries):
        raise CodedInputError("BUNDLE_MEMBER", _("{file} lists a file twice", file=MANIFEST_NAME))
    for name in sorted(names):
        if above := names.intersection(map(str, PurePosixPath(name).parents)):
            problem = _(
                "{file!r} is a file, but {name!r} needs a folder of that name",
                file=above.pop(),
                name=name,
            )
            raise CodedInputError("BUNDLE_MEMBER", f"{MANIFEST_NAME}: {problem}")
    return entries


def _check_name(name: str) -> str:
    """Check that a path is normalized, relative, printable and not reserved; return it."""
    parts = name.split("/")
    is_normal = str(PurePosixPath(name)) == name and not name.startswith("/")
    is_reserved = name in (MANIFEST_NAME, SIGNATURE_NAME) or name.endswith(PART_SUFFIX)
    is_unsafe = any(map(find_name_problem, parts)) or {".", ".."} & set(parts)
    if not is_normal or is_reserved or is_unsafe:
        raise CodedInputError("BUNDLE_MEMBER", _("a file named {name!r}", name=name))
    return name
