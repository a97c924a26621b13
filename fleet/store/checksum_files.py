"""Checksum files beside an artifact, in all formats that are in common use.

A vendor publishes checksums either in a file per artifact (`driver.deb.md5sum`) or in a list for a
folder (`SHA256SUMS`). Both are read here and compared with the artifact.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PureWindowsPath

from fleet.errors import InvalidInput
from fleet.language import _

#: number of hexadecimal digits -> algorithm
ALGORITHM_BY_DIGITS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
#: suffixes of a checksum file that belongs to one artifact
SIDECAR_SUFFIXES = tuple(
    f".{name}{more}" for name in ALGORITHM_BY_DIGITS.values() for more in ("sum", "")
)
SIDECAR_SUFFIXES += tuple(suffix.upper() for suffix in SIDECAR_SUFFIXES)
#: names of a checksum file that lists all artifacts of its folder
LIST_NAMES = tuple(
    f"{name}{more}"
    for name in ALGORITHM_BY_DIGITS.values()
    for more in ("sum.txt", "sums", "sums.txt")
)
LIST_NAMES += tuple(
    f"{name.partition('.')[0].upper()}{'.txt' * ('.' in name)}" for name in LIST_NAMES
)
LIST_NAMES += ("checklist.chk",)
#: only the beginning of a larger file is read; longer lines are skipped
MAX_FILE_BYTES, MAX_LINE_CHARACTERS = 8 << 20, 5000

DIGEST_PATTERN = r"(?P<sum>[0-9a-fA-F]{32,128})"
LINE_FORMATS = tuple(
    re.compile(pattern)
    for pattern in (
        # BSD, OpenSSL, coreutils --tag
        rf"[A-Za-z0-9-]+ ?\((?P<name>.+)\) ?= ?{DIGEST_PATTERN}",
        # coreutils; a star marks binary mode
        rf"\\?{DIGEST_PATTERN}(?:[ \t]+\*?(?P<name>\S.*))?",
        # PowerShell, as a table
        rf"[A-Za-z0-9-]+[ \t]+{DIGEST_PATTERN}[ \t]+(?P<name>\S.*)",
        # the name first; also PowerShell, as a list
        rf"(?P<name>\S.*?)(?:[ \t]*[:=][ \t]*|[ \t]+){DIGEST_PATTERN}",
        # certutil of Windows 7
        r"(?P<sum>(?:[0-9a-fA-F]{2} ){15,63}[0-9a-fA-F]{2})(?P<name>)",
    )
)
#: other algorithms whose digests are as long as those of a supported one
UNSUPPORTED_ALGORITHM = re.compile(
    r"(?i:blake|sm3|sha-?3|sha-?512/|shake|ripemd|rmd|whirlpool|gost|streebog|md4)"
    r"[\w/-]* ?\(.+\) ?= ?[0-9a-fA-F]+"
)
#: a column title in the place of a file name
COLUMN_TITLE = re.compile(r"hash|sum|checksum|md5(sum)?|sha-?(1|256|512)(sum)?", re.IGNORECASE)


@dataclass(frozen=True)
class PublishedChecksum:
    """A checksum of an artifact, as a checksum file states it.

    Attributes:
        algorithm: name of the algorithm for :mod:`hashlib`.
        digest: lower-case hexadecimal digits.
        source: the checksum file.
    """

    algorithm: str
    digest: str
    source: Path


def _parse_line(line: str) -> tuple[str, str] | None:
    """Return the file name ("" if absent) and the digest of a line, or None."""
    if UNSUPPORTED_ALGORITHM.fullmatch(line):
        return None
    for pattern in LINE_FORMATS:
        if match := pattern.fullmatch(line):
            digest = match["sum"].replace(" ", "").lower()
            name = (match["name"] or "").strip("\"' \t")
            if len(digest) in ALGORITHM_BY_DIGITS:
                return ("" if COLUMN_TITLE.fullmatch(name) else PureWindowsPath(name).name), digest
    return None


def parse_checksums(content: bytes) -> list[tuple[str, str]]:
    """Parse a checksum file.

    Args:
        content: the file in UTF-8, UTF-16 with a byte order mark, or GB 18030.

    Returns:
        Pairs of file name ("" if the line has none) and digest. Folders are removed from the names:
        they are those of the machine on which the checksums were made.
    """
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", errors="replace")
    return [
        pair
        for line in text.splitlines()
        if len(line) <= MAX_LINE_CHARACTERS and (pair := _parse_line(line.strip()))
    ]


def select_checksums(content: bytes, name: str) -> set[str]:
    """Find the digests of an artifact in its own checksum file.

    Args:
        content: the checksum file.
        name: file name of the artifact.

    Returns:
        The digests; several if the file uses several algorithms.

    Raises:
        ValueError: no line is about the artifact.
    """
    pairs = parse_checksums(content)
    # the artifact may have been renamed since, and certutil puts the name on another line
    is_single = len(pairs) == 1 or len(set(pairs)) == 1
    digests = {digest for owner, digest in pairs if owner == name}
    if digests := digests or {digest for _name, digest in pairs if is_single}:
        return digests
    if pairs:
        raise ValueError(f"it has {len(pairs)} checksums, but none of {name}")
    raise ValueError("it is empty" if not content.strip() else "it contains no checksum")


def _read_content(source: Path) -> bytes:
    try:
        with source.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES)
    except OSError as error:
        raise InvalidInput(
            _("{path}: cannot be read: {reason}", path=source, reason=error.strerror)
        ) from error


@lru_cache(64)
def _read_list(source: Path, _version: tuple[int, int]) -> dict[str, set[str]]:
    """Return digests by file name; cached because many artifacts may share the list."""
    digests: dict[str, set[str]] = {}
    for name, digest in parse_checksums(_read_content(source)):
        digests.setdefault(name, set()).add(digest)
    return digests


def _search_beside(path: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield the checksum files in an artifact's folder with their digests of the artifact."""
    for suffix in SIDECAR_SUFFIXES:
        if os.path.isfile(f"{path}{suffix}"):
            source = Path(f"{path}{suffix}")
            try:
                yield source, select_checksums(_read_content(source), path.name)
            except ValueError as error:
                raise InvalidInput(
                    _(
                        "{source}: no checksum of {name}: {error}; write `CHECKSUM  {name}` "
                        "into it, or remove it",
                        source=source,
                        name=path.name,
                        error=error,
                    )
                ) from error
    for name in LIST_NAMES:
        if name != path.name and os.path.isfile(f"{path.parent}/{name}"):
            source = path.with_name(name)
            status = source.stat()
            digests = _read_list(source, (status.st_mtime_ns, status.st_size))
            yield source, digests.get(path.name, set())


def find_checksums(path: Path) -> list[PublishedChecksum]:
    """Find all published checksums of an artifact.

    Args:
        path: the artifact; its folder is searched.

    Returns:
        The checksums, or an empty list if no checksum file mentions the artifact.

    Raises:
        InvalidInput: a checksum file cannot be read, or has no checksum of its artifact.
    """
    return [
        PublishedChecksum(ALGORITHM_BY_DIGITS[len(digest)], digest, source)
        for source, digests in _search_beside(path)
        for digest in sorted(digests)
    ]


class ChecksumComparison:
    """Compares an artifact with its published checksums while the artifact is read.

    Args:
        path: the artifact.

    Raises:
        InvalidInput: a checksum file cannot be read, or has no checksum of its artifact.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._published = path, find_checksums(path)
        self._hashes = {
            checksum.algorithm: hashlib.new(checksum.algorithm, usedforsecurity=False)
            for checksum in self._published
        }

    def update(self, block: bytes) -> None:
        """Add the next bytes of the artifact.

        Args:
            block: bytes in the order of the file.
        """
        for digest in self._hashes.values():
            digest.update(block)

    def verify(self) -> None:
        """Compare the bytes so far with all published checksums.

        Raises:
            InvalidInput: one of them differs.
        """
        for checksum in self._published:
            actual = self._hashes[checksum.algorithm].hexdigest()
            if actual != checksum.digest:
                raise InvalidInput(
                    _(
                        "{path}: {algorithm} is {actual}, but {source} expects {digest}: the "
                        "file is damaged or another one; fetch it again",
                        path=self._path,
                        algorithm=checksum.algorithm,
                        actual=actual,
                        source=checksum.source.name,
                        digest=checksum.digest,
                    )
                )
