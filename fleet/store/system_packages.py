"""Packages of deb and rpm: what one says it is, read from the file itself."""

from __future__ import annotations

import io
import lzma
import os
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fleet.errors import InvalidInput
from fleet.store import file_types

#: bytes of a package's own description, packed and unpacked
LARGEST = 32 << 20
AR, RPM, HEADER = b"!<arch>\n", b"\xed\xab\xee\xdb", b"\x8e\xad\xe8\x01"
#: for every machine
ANY = ("all", "noarch")
EVERYWHERE = [("architecture", word) for word in ANY]
#: what rpm calls what it says
NAME, VERSION, ARCHITECTURE, SOURCE = 1000, 1001, 1022, 1106
SIZES, STRING, INTEGER = (1000, 270), 6, 4


@dataclass(frozen=True)
class Package:
    """What a package says of itself; empty where nothing here can read it (zstd)."""

    family: str
    name: str = ""
    version: str = ""
    architecture: str = ""


class Broken(Exception):
    """It is no package, or not all of one; in words."""


def read(path: Path) -> Package:
    """:raises InvalidInput: it is no package, or not all of one"""
    try:
        with path.open("rb") as stream:
            begin, size = stream.read(file_types.ENOUGH), os.fstat(stream.fileno()).st_size
            stream.seek(0)
            if begin.startswith(AR):
                return _deb(stream, size)
            if begin.startswith(RPM):
                return _rpm(stream, size)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}") from error
    except (
        Broken,
        struct.error,
        ValueError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        tarfile.TarError,
    ) as error:
        raise InvalidInput(f"{path}: no whole package: {error}: fetch it again") from error
    raise InvalidInput(f"{path}: no deb or rpm package: {file_types.told(begin)}")


def _deb(stream: IO[bytes], size: int) -> Package:
    members = dict(_members(stream, size))
    if next(iter(members), "") != "debian-binary":
        raise Broken("an archive without debian-binary")
    if not any(name.startswith("data.tar") for name in members):
        raise Broken("it ends before its data")
    name = next((name for name in members if name.startswith("control.tar")), None)
    if name is None:
        raise Broken("it has no control.tar")
    begin, length = members[name]
    stream.seek(begin)
    content = _unpacked(name, stream.read(min(length, LARGEST)))
    if content is None:
        return Package("deb")
    fields = _control(content)
    return Package(
        "deb", fields.get("package", ""), fields.get("version", ""), fields.get("architecture", "")
    )


def _members(stream: IO[bytes], size: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, place and length of what is in an ar archive."""
    place = len(AR)
    while place < size:
        stream.seek(place)
        head = stream.read(60)
        if len(head) < 60 or head[58:] != b"`\n":
            raise Broken("it is cut or spoilt")
        length = int(head[48:58])
        if length < 0 or place + 60 + length > size:
            raise Broken(f"it ends after {size} bytes, and needs {place + 60 + length}")
        yield head[:16].decode("ascii", "replace").strip().rstrip("/"), (place + 60, length)
        place += 60 + length + length % 2


def _unpacked(name: str, content: bytes) -> bytes | None:
    if name.endswith(".gz"):
        return zlib.decompressobj(31).decompress(content, LARGEST)
    if name.endswith((".xz", ".lzma")):
        return lzma.LZMADecompressor(memlimit=128 << 20).decompress(content, LARGEST)
    return content if name.endswith(".tar") else None


def _control(content: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for member in tar:
            if member.name.lstrip("./") == "control" and member.isfile():
                stream = tar.extractfile(member)
                text = (stream.read(LARGEST) if stream else b"").decode(errors="replace")
                pairs = [line.partition(":") for line in text.splitlines() if ":" in line]
                return {
                    key.lower(): value.strip()
                    for key, _, value in reversed(pairs)
                    if not key.startswith((" ", "\t"))
                }
    raise Broken("its control.tar has no control")


def _rpm(stream: IO[bytes], size: int) -> Package:
    lead = stream.read(96)
    if len(lead) < 96:
        raise Broken("it ends within its first bytes")
    signature = _header(stream)
    place = stream.tell() + -stream.tell() % 8
    said = next((signature[tag] for tag in SIZES if tag in signature), None)
    if isinstance(said, int) and place + said > size:
        raise Broken(f"it ends after {size} bytes, and needs {place + said}")
    stream.seek(place)
    found = _header(stream)
    if lead[6:8] == b"\0\1" or SOURCE in found:
        raise Broken("it has sources: take what was built from them")
    name, version, architecture = (str(found.get(t, "")) for t in (NAME, VERSION, ARCHITECTURE))
    return Package("rpm", name, version, architecture)


def _header(stream: IO[bytes]) -> dict[int, str | int]:
    """Strings and numbers in a header of an rpm."""
    begin = stream.read(16)
    if len(begin) < 16 or not begin.startswith(HEADER):
        raise Broken("it is cut or spoilt")
    count, length = struct.unpack(">II", begin[8:])
    if count * 16 > LARGEST or length > LARGEST:
        raise Broken("it is spoilt")
    index, store = stream.read(count * 16), stream.read(length)
    if len(index) < count * 16 or len(store) < length:
        raise Broken("it ends within its header")
    found: dict[int, str | int] = {}
    for tag, kind, place, _ in struct.iter_unpack(">IIII", index):
        if kind == STRING:
            found[tag] = store[place : store.find(b"\0", place)].decode(errors="replace")
        elif kind == INTEGER and place + 4 <= length:
            found[tag] = struct.unpack_from(">I", store, place)[0]
    return found


def fits(
    path: Path,
    found: Package,
    *,
    name: str = "",
    version: str = "",
    family: str = "",
    architectures: Iterable[str] = (),
) -> None:
    """:raises InvalidInput: a package is another than the one that is meant"""
    said = [
        ("family", found.family, [family]),
        ("name", found.name, [name]),
        ("version", found.version, [version]),
        ("architecture", found.architecture, [*architectures]),
    ]
    for what, has, meant in said:
        if has and any(meant) and has not in meant and (what, has) not in EVERYWHERE:
            raise InvalidInput(
                f"{path}: the {what} of this package is {has}, and the release "
                f"means {' or '.join(meant)}"
            )
