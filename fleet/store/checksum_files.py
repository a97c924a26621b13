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
LENGTHS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
#: behind a file's name
ENDINGS = tuple(f".{name}{more}" for name in LENGTHS.values() for more in ("sum", ""))
ENDINGS += tuple(ending.upper() for ending in ENDINGS)
#: of all files in a folder
LISTS = tuple(
    f"{name}{more}" for name in LENGTHS.values() for more in ("sum.txt", "sums", "sums.txt")
)
LISTS += tuple(f"{name.partition('.')[0].upper()}{'.txt' * ('.' in name)}" for name in LISTS)
LISTS += ("checklist.chk",)
#: bytes; more is another file; and characters of a line
LARGEST, LONGEST = 8 << 20, 5000

SUM = r"(?P<sum>[0-9a-fA-F]{32,128})"
FORMS = tuple(
    re.compile(form)
    for form in (
        rf"[A-Za-z0-9-]+ ?\((?P<name>.+)\) ?= ?{SUM}",  # BSD, OpenSSL, --tag
        rf"\\?{SUM}(?:[ \t]+\*?(?P<name>\S.*))?",  # coreutils; a star is for binary
        rf"[A-Za-z0-9-]+[ \t]+{SUM}[ \t]+(?P<name>\S.*)",  # a table of PowerShell
        rf"(?P<name>\S.*?)(?:[ \t]*[:=][ \t]*|[ \t]+){SUM}",  # name first; a list of PowerShell
        r"(?P<sum>(?:[0-9a-fA-F]{2} ){15,63}[0-9a-fA-F]{2})(?P<name>)",  # certutil of Windows 7
    )
)
#: names of sums that are as long as one of ours, and another
OTHERS = re.compile(
    r"(?i:blake|sm3|sha-?3|sha-?512/|shake|ripemd|rmd|whirlpool|gost|streebog|md4)"
    r"[\w/-]* ?\(.+\) ?= ?[0-9a-fA-F]+"
)
#: what stands where a name would, and is none
WORDS = re.compile(r"hash|sum|checksum|md5(sum)?|sha-?(1|256|512)(sum)?", re.IGNORECASE)


@dataclass(frozen=True)
class Sum:
    """What one file says of another."""

    algorithm: str
    digits: str
    #: that says it
    source: Path


def _line(line: str) -> tuple[str, str] | None:
    """Name ("" for none) and sum in a line; None for one that has none."""
    if OTHERS.fullmatch(line):
        return None
    for form in FORMS:
        if found := form.fullmatch(line):
            digits = found["sum"].replace(" ", "").lower()
            name = (found["name"] or "").strip("\"' \t")
            if len(digits) in LENGTHS:
                return ("" if WORDS.fullmatch(name) else PureWindowsPath(name).name), digits
    return None


def lines(content: bytes) -> list[tuple[str, str]]:
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
        if len(line) <= LONGEST and (found := _line(line.strip()))
    ]


def said(content: bytes, name: str) -> set[str]:
    """The sums of a file in the checksum file beside it.

    :raises ValueError: there is none in it, in words
    """
    found = lines(content)
    ours = {digits for one, digits in found if one == name}
    # a file by itself may have been renamed since, and certutil has the name in another line
    if ours := ours or {digits for _, digits in found if len(found) == 1 or len(set(found)) == 1}:
        return ours
    if found:
        raise ValueError(f"it has {len(found)} sums, and none is of {name}")
    raise ValueError("it is empty" if not content.strip() else "no line of it is one")


def _content(source: Path) -> bytes:
    """:raises InvalidInput: it cannot be read"""
    try:
        with source.open("rb") as stream:
            return stream.read(LARGEST)
    except OSError as error:
        raise InvalidInput(f"{source}: cannot be read: {error.strerror}") from error


@lru_cache(64)
def _list(source: Path, _seen: tuple[int, int]) -> dict[str, set[str]]:
    """Sums by name in a list of a folder, which very many files may have beside them."""
    found: dict[str, set[str]] = {}
    for name, digits in lines(_content(source)):
        found.setdefault(name, set()).add(digits)
    return found


def _beside(path: Path) -> Iterator[tuple[Path, set[str]]]:
    """Checksum files that know a file, with its sums.

    :raises InvalidInput: one cannot be read
    """
    for ending in ENDINGS:
        if os.path.isfile(f"{path}{ending}"):
            source = Path(f"{path}{ending}")
            try:
                yield source, said(_content(source), path.name)
            except ValueError as error:
                raise InvalidInput(
                    f"{source}: cannot be read as a checksum of {path.name}: {error}; "
                    f"write `SUM  {path.name}` into it, or remove it"
                ) from error
    for name in LISTS:
        if name != path.name and os.path.isfile(f"{path.parent}/{name}"):
            source = path.with_name(name)
            seen = source.stat()
            sums = _list(source, (seen.st_mtime_ns, seen.st_size))
            yield source, sums.get(path.name, set())


def of(path: Path) -> list[Sum]:
    """What is said of a file beside it.

    :raises InvalidInput: a checksum file cannot be read
    """
    return [
        Sum(LENGTHS[len(digits)], digits, source)
        for source, sums in _beside(path)
        for digits in sorted(sums)
    ]


class Compared:
    """Hears a file's bytes, and compares them with what is said of the file.

    :raises InvalidInput: a checksum file cannot be read
    """

    def __init__(self, path: Path) -> None:
        self._path, self._said = path, of(path)
        self._sums = {
            one.algorithm: hashlib.new(one.algorithm, usedforsecurity=False) for one in self._said
        }

    def update(self, block: bytes) -> None:
        for one in self._sums.values():
            one.update(block)

    def end(self) -> None:
        """:raises InvalidInput: the file is another"""
        for said in self._said:
            found = self._sums[said.algorithm].hexdigest()
            if found != said.digits:
                raise InvalidInput(
                    f"{self._path}: {said.algorithm} is {found}, but {said.source.name} says "
                    f"{said.digits}: the download is broken, fetch it again"
                )
