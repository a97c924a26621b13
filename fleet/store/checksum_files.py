"""What checksum files say of a file, in every form that such files usually have."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PureWindowsPath

from fleet.errors import InvalidInput

#: digits -> algorithm
ALGORITHM_BY_DIGITS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
#: behind a file's name
SIDECAR_SUFFIXES = tuple(
    f".{name}{more}" for name in ALGORITHM_BY_DIGITS.values() for more in ("sum", "")
)
SIDECAR_SUFFIXES += tuple(ending.upper() for ending in SIDECAR_SUFFIXES)
#: of all files in a folder
LIST_NAMES = tuple(
    f"{name}{more}"
    for name in ALGORITHM_BY_DIGITS.values()
    for more in ("sum.txt", "sums", "sums.txt")
)
LIST_NAMES += tuple(
    f"{name.partition('.')[0].upper()}{'.txt' * ('.' in name)}" for name in LIST_NAMES
)
LIST_NAMES += ("checklist.chk",)
#: bytes; more is another file; and characters of a line
MAX_FILE_BYTES, MAX_LINE_CHARACTERS = 8 << 20, 5000

DIGEST_PATTERN = r"(?P<sum>[0-9a-fA-F]{32,128})"
LINE_FORMATS = tuple(
    re.compile(form)
    for form in (
        rf"[A-Za-z0-9-]+ ?\((?P<name>.+)\) ?= ?{DIGEST_PATTERN}",  # BSD, OpenSSL, --tag
        rf"\\?{DIGEST_PATTERN}(?:[ \t]+\*?(?P<name>\S.*))?",  # coreutils; a star is for binary
        rf"[A-Za-z0-9-]+[ \t]+{DIGEST_PATTERN}[ \t]+(?P<name>\S.*)",  # a table of PowerShell
        rf"(?P<name>\S.*?)(?:[ \t]*[:=][ \t]*|[ \t]+){DIGEST_PATTERN}",  # name first (PowerShell)
        r"(?P<sum>(?:[0-9a-fA-F]{2} ){15,63}[0-9a-fA-F]{2})(?P<name>)",  # certutil of Windows 7
    )
)
#: names of sums that are as long as one of ours, and another
UNSUPPORTED_ALGORITHM = re.compile(
    r"(?i:blake|sm3|sha-?3|sha-?512/|shake|ripemd|rmd|whirlpool|gost|streebog|md4)"
    r"[\w/-]* ?\(.+\) ?= ?[0-9a-fA-F]+"
)
#: what stands where a name would, and is none
COLUMN_TITLE = re.compile(r"hash|sum|checksum|md5(sum)?|sha-?(1|256|512)(sum)?", re.IGNORECASE)


@dataclass(frozen=True)
class PublishedChecksum:
    """What one file says of another."""

    algorithm: str
    digest: str
    #: that says it
    source: Path


def _parse_line(line: str) -> tuple[str, str] | None:
    """Name ("" for none) and sum in a line; None for one that has none."""
    if UNSUPPORTED_ALGORITHM.fullmatch(line):
        return None
    for form in LINE_FORMATS:
        if found := form.fullmatch(line):
            digits = found["sum"].replace(" ", "").lower()
            name = (found["name"] or "").strip("\"' \t")
            if len(digits) in ALGORITHM_BY_DIGITS:
                return ("" if COLUMN_TITLE.fullmatch(name) else PureWindowsPath(name).name), digits
    return None


def parse_checksums(content: bytes) -> list[tuple[str, str]]:
    """Names ("" where there is none) and sums in a checksum file.

    Names are without their folders: it was another one where they were summed up.
    """
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", errors="replace")
    return [
        found
        for line in text.splitlines()
        if len(line) <= MAX_LINE_CHARACTERS and (found := _parse_line(line.strip()))
    ]


def select_checksums(content: bytes, name: str) -> set[str]:
    """The sums of a file in the checksum file beside it.

    :raises ValueError: there is none in it, in words
    """
    found = parse_checksums(content)
    ours = {digits for one, digits in found if one == name}
    # a file by itself may have been renamed since, and certutil has the name in another line
    if ours := ours or {digits for _, digits in found if len(found) == 1 or len(set(found)) == 1}:
        return ours
    if found:
        raise ValueError(f"it has {len(found)} sums, and none is of {name}")
    raise ValueError("it is empty" if not content.strip() else "no line of it is one")


def _read_content(source: Path) -> bytes:
    """:raises InvalidInput: it cannot be read"""
    try:
        with source.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES)
    except OSError as error:
        raise InvalidInput(f"{source}: cannot be read: {error.strerror}") from error


@lru_cache(64)
def _read_list(source: Path, _seen: tuple[int, int]) -> dict[str, set[str]]:
    """Sums by name in a list of a folder, which very many files may have beside them."""
    found: dict[str, set[str]] = {}
    for name, digits in parse_checksums(_read_content(source)):
        found.setdefault(name, set()).add(digits)
    return found


def _search_beside(path: Path) -> Iterator[tuple[Path, set[str]]]:
    """Checksum files that know a file, with its sums.

    :raises InvalidInput: one cannot be read
    """
    for ending in SIDECAR_SUFFIXES:
        if os.path.isfile(f"{path}{ending}"):
            source = Path(f"{path}{ending}")
            try:
                yield source, select_checksums(_read_content(source), path.name)
            except ValueError as error:
                raise InvalidInput(
                    f"{source}: cannot be read as a checksum of {path.name}: {error}; "
                    f"write `SUM  {path.name}` into it, or remove it"
                ) from error
    for name in LIST_NAMES:
        if name != path.name and os.path.isfile(f"{path.parent}/{name}"):
            source = path.with_name(name)
            seen = source.stat()
            sums = _read_list(source, (seen.st_mtime_ns, seen.st_size))
            yield source, sums.get(path.name, set())


def find_checksums(path: Path) -> list[PublishedChecksum]:
    """What is said of a file beside it.

    :raises InvalidInput: a checksum file cannot be read
    """
    return [
        PublishedChecksum(ALGORITHM_BY_DIGITS[len(digits)], digits, source)
        for source, sums in _search_beside(path)
        for digits in sorted(sums)
    ]


class ChecksumComparison:
    """Hears a file's bytes, and compares them with what is said of the file.

    :raises InvalidInput: a checksum file cannot be read
    """

    def __init__(self, path: Path) -> None:
        self._path, self._published = path, find_checksums(path)
        self._hashes = {
            one.algorithm: hashlib.new(one.algorithm, usedforsecurity=False)
            for one in self._published
        }

    def update(self, block: bytes) -> None:
        for one in self._hashes.values():
            one.update(block)

    def verify(self) -> None:
        """:raises InvalidInput: the file is another"""
        for said in self._published:
            found = self._hashes[said.algorithm].hexdigest()
            if found != said.digest:
                raise InvalidInput(
                    f"{self._path}: {said.algorithm} is {found}, but {said.source.name} says "
                    f"{said.digest}: the download is broken, fetch it again"
                )
