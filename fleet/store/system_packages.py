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
MAX_METADATA_BYTES = 32 << 20
AR_MAGIC, RPM_MAGIC, RPM_HEADER_MAGIC = b"!<arch>\n", b"\xed\xab\xee\xdb", b"\x8e\xad\xe8\x01"
#: for every machine
ANY_ARCHITECTURE = ("all", "noarch")
ARCHITECTURE_INDEPENDENT = [("architecture", word) for word in ANY_ARCHITECTURE]
#: what rpm calls what it says
RPM_TAG_NAME, RPM_TAG_VERSION, RPM_TAG_ARCHITECTURE, RPM_TAG_SOURCE = 1000, 1001, 1022, 1106
RPM_TAGS_SIZE, RPM_TYPE_STRING, RPM_TYPE_INT32 = (1000, 270), 6, 4


@dataclass(frozen=True)
class PackageInfo:
    """What a package says of itself; empty where nothing here can read it (zstd)."""

    family: str
    name: str = ""
    version: str = ""
    architecture: str = ""


class PackageError(Exception):
    """It is no package, or not all of one; in words."""


def read_package(path: Path) -> PackageInfo:
    """:raises InvalidInput: it is no package, or not all of one"""
    try:
        with path.open("rb") as stream:
            begin, size = stream.read(file_types.HEAD_BYTES), os.fstat(stream.fileno()).st_size
            stream.seek(0)
            if begin.startswith(AR_MAGIC):
                return _read_deb(stream, size)
            if begin.startswith(RPM_MAGIC):
                return _read_rpm(stream, size)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}") from error
    except (
        PackageError,
        struct.error,
        ValueError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        tarfile.TarError,
    ) as error:
        raise InvalidInput(f"{path}: no whole package: {error}: fetch it again") from error
    raise InvalidInput(f"{path}: no deb or rpm package: {file_types.describe_content(begin)}")


def _read_deb(stream: IO[bytes], size: int) -> PackageInfo:
    members = dict(_list_ar_members(stream, size))
    if next(iter(members), "") != "debian-binary":
        raise PackageError("an archive without debian-binary")
    if not any(name.startswith("data.tar") for name in members):
        raise PackageError("it ends before its data")
    name = next((name for name in members if name.startswith("control.tar")), None)
    if name is None:
        raise PackageError("it has no control.tar")
    begin, length = members[name]
    stream.seek(begin)
    content = _decompress(name, stream.read(min(length, MAX_METADATA_BYTES)))
    if content is None:
        return PackageInfo("deb")
    fields = _parse_control(content)
    return PackageInfo(
        "deb", fields.get("package", ""), fields.get("version", ""), fields.get("architecture", "")
    )


def _list_ar_members(stream: IO[bytes], size: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, place and length of what is in an ar archive."""
    place = len(AR_MAGIC)
    while place < size:
        stream.seek(place)
        head = stream.read(60)
        if len(head) < 60 or head[58:] != b"`\n":
            raise PackageError("it is cut or spoilt")
        length = int(head[48:58])
        if length < 0 or place + 60 + length > size:
            raise PackageError(f"it ends after {size} bytes, and needs {place + 60 + length}")
        yield head[:16].decode("ascii", "replace").strip().rstrip("/"), (place + 60, length)
        place += 60 + length + length % 2


def _decompress(name: str, content: bytes) -> bytes | None:
    if name.endswith(".gz"):
        return zlib.decompressobj(31).decompress(content, MAX_METADATA_BYTES)
    if name.endswith((".xz", ".lzma")):
        return lzma.LZMADecompressor(memlimit=128 << 20).decompress(content, MAX_METADATA_BYTES)
    return content if name.endswith(".tar") else None


def _parse_control(content: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for member in tar:
            if member.name.lstrip("./") == "control" and member.isfile():
                stream = tar.extractfile(member)
                text = (stream.read(MAX_METADATA_BYTES) if stream else b"").decode(errors="replace")
                pairs = [line.partition(":") for line in text.splitlines() if ":" in line]
                return {
                    key.lower(): value.strip()
                    for key, _, value in reversed(pairs)
                    if not key.startswith((" ", "\t"))
                }
    raise PackageError("its control.tar has no control")


def _read_rpm(stream: IO[bytes], size: int) -> PackageInfo:
    lead = stream.read(96)
    if len(lead) < 96:
        raise PackageError("it ends within its first bytes")
    signature = _read_rpm_header(stream)
    place = stream.tell() + -stream.tell() % 8
    said = next((signature[tag] for tag in RPM_TAGS_SIZE if tag in signature), None)
    if isinstance(said, int) and place + said > size:
        raise PackageError(f"it ends after {size} bytes, and needs {place + said}")
    stream.seek(place)
    found = _read_rpm_header(stream)
    if lead[6:8] == b"\0\1" or RPM_TAG_SOURCE in found:
        raise PackageError("it has sources: take what was built from them")
    name, version, architecture = (
        str(found.get(t, "")) for t in (RPM_TAG_NAME, RPM_TAG_VERSION, RPM_TAG_ARCHITECTURE)
    )
    return PackageInfo("rpm", name, version, architecture)


def _read_rpm_header(stream: IO[bytes]) -> dict[int, str | int]:
    """Strings and numbers in a header of an rpm."""
    begin = stream.read(16)
    if len(begin) < 16 or not begin.startswith(RPM_HEADER_MAGIC):
        raise PackageError("it is cut or spoilt")
    count, length = struct.unpack(">II", begin[8:])
    if count * 16 > MAX_METADATA_BYTES or length > MAX_METADATA_BYTES:
        raise PackageError("it is spoilt")
    index, store = stream.read(count * 16), stream.read(length)
    if len(index) < count * 16 or len(store) < length:
        raise PackageError("it ends within its header")
    found: dict[int, str | int] = {}
    for tag, kind, place, _ in struct.iter_unpack(">IIII", index):
        if kind == RPM_TYPE_STRING:
            found[tag] = store[place : store.find(b"\0", place)].decode(errors="replace")
        elif kind == RPM_TYPE_INT32 and place + 4 <= length:
            found[tag] = struct.unpack_from(">I", store, place)[0]
    return found


def check_package(
    path: Path,
    found: PackageInfo,
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
        if has and any(meant) and has not in meant and (what, has) not in ARCHITECTURE_INDEPENDENT:
            raise InvalidInput(
                f"{path}: the {what} of this package is {has}, and the release "
                f"means {' or '.join(meant)}"
            )
