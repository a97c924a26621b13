"""Metadata of deb and rpm packages, read from the files without dpkg or rpm."""

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
from fleet.language import _
from fleet.store import file_types

#: bound of a package's metadata, compressed and uncompressed
MAX_METADATA_BYTES = 32 << 20
AR_MAGIC, RPM_MAGIC, RPM_HEADER_MAGIC = b"!<arch>\n", b"\xed\xab\xee\xdb", b"\x8e\xad\xe8\x01"
AR_MEMBER_HEADER_BYTES, RPM_LEAD_BYTES = 60, 96
#: architectures of packages that every machine can install
ANY_ARCHITECTURE = ("all", "noarch")
#: header tags and types of the rpm file format (rpmtag.h)
RPM_TAG_NAME, RPM_TAG_VERSION, RPM_TAG_ARCHITECTURE, RPM_TAG_SOURCE = 1000, 1001, 1022, 1106
RPM_TAGS_SIZE, RPM_TYPE_STRING, RPM_TYPE_INT32 = (1000, 270), 6, 4


@dataclass(frozen=True)
class PackageInfo:
    """Metadata of a package; empty if it is compressed with zstd, which cannot be read here.

    Attributes:
        family: "deb" or "rpm".
        name: name of the package.
        version: its version, for rpm without the release.
        architecture: processor architecture in the words of its family.
    """

    family: str
    name: str = ""
    version: str = ""
    architecture: str = ""


class PackageError(Exception):
    """The file is not a complete package; the message is a clause about it."""


def read_package(path: Path) -> PackageInfo:
    """Read the metadata of a package, and check that the file is complete.

    Args:
        path: a deb or rpm file.

    Returns:
        The metadata.

    Raises:
        InvalidInput: the file is not a complete package.
    """
    try:
        with path.open("rb") as stream:
            begin, size = stream.read(file_types.HEAD_BYTES), os.fstat(stream.fileno()).st_size
            stream.seek(0)
            if begin.startswith(AR_MAGIC):
                return _read_deb(stream, size)
            if begin.startswith(RPM_MAGIC):
                return _read_rpm(stream, size)
    except OSError as error:
        raise InvalidInput(
            _("{path}: cannot be read: {reason}", path=path, reason=error.strerror)
        ) from error
    except (
        PackageError,
        struct.error,
        ValueError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        tarfile.TarError,
    ) as error:
        raise InvalidInput(
            _("{path}: not a complete package: {error}: fetch it again", path=path, error=error)
        ) from error
    content = file_types.describe_content(begin)
    raise InvalidInput(_("{path}: not a deb or rpm package: {content}", path=path, content=content))


def _read_deb(stream: IO[bytes], size: int) -> PackageInfo:
    members = dict(_list_ar_members(stream, size))
    if next(iter(members), "") != "debian-binary":
        raise PackageError(_("an archive without debian-binary"))
    if not any(name.startswith("data.tar") for name in members):
        raise PackageError(_("it ends before its data"))
    name = next((name for name in members if name.startswith("control.tar")), None)
    if name is None:
        raise PackageError(_("it has no control.tar"))
    begin, length = members[name]
    stream.seek(begin)
    content = _decompress(name, stream.read(min(length, MAX_METADATA_BYTES)))
    if content is None:
        return PackageInfo("deb")
    fields = _parse_control(content)
    name, version, architecture = (
        fields.get(field, "") for field in ("package", "version", "architecture")
    )
    return PackageInfo("deb", name, version, architecture)


def _list_ar_members(stream: IO[bytes], size: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield name, offset and length of each member of an ar archive."""
    offset = len(AR_MAGIC)
    while offset < size:
        stream.seek(offset)
        header = stream.read(AR_MEMBER_HEADER_BYTES)
        if len(header) < AR_MEMBER_HEADER_BYTES or header[58:] != b"`\n":
            raise PackageError(_("it is incomplete or damaged"))
        length = int(header[48:58])
        begin = offset + AR_MEMBER_HEADER_BYTES
        if length < 0 or begin + length > size:
            raise PackageError(
                _("it has {size} bytes, but needs {expected}", size=size, expected=begin + length)
            )
        yield header[:16].decode("ascii", "replace").strip().rstrip("/"), (begin, length)
        offset = begin + length + length % 2


def _decompress(name: str, content: bytes) -> bytes | None:
    """Return the tar archive in a member, or None if its compression is not supported."""
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
                    for key, _colon, value in reversed(pairs)  # the first one wins
                    if not key.startswith((" ", "\t"))
                }
    raise PackageError(_("its control.tar has no control file"))


def _read_rpm(stream: IO[bytes], size: int) -> PackageInfo:
    lead = stream.read(RPM_LEAD_BYTES)
    if len(lead) < RPM_LEAD_BYTES:
        raise PackageError(_("it ends within its first bytes"))
    signature = _read_rpm_header(stream)
    begin = stream.tell() + -stream.tell() % 8
    length = next((signature[tag] for tag in RPM_TAGS_SIZE if tag in signature), None)
    if isinstance(length, int) and begin + length > size:
        raise PackageError(
            _("it has {size} bytes, but needs {expected}", size=size, expected=begin + length)
        )
    stream.seek(begin)
    header = _read_rpm_header(stream)
    if lead[6:8] == b"\0\1" or RPM_TAG_SOURCE in header:
        raise PackageError(_("it is a source package, not the binary package built from it"))
    name, version, architecture = (
        str(header.get(tag, "")) for tag in (RPM_TAG_NAME, RPM_TAG_VERSION, RPM_TAG_ARCHITECTURE)
    )
    return PackageInfo("rpm", name, version, architecture)


def _read_rpm_header(stream: IO[bytes]) -> dict[int, str | int]:
    """Return the strings and 32-bit numbers of the next header of an rpm file."""
    begin = stream.read(16)
    if len(begin) < 16 or not begin.startswith(RPM_HEADER_MAGIC):
        raise PackageError(_("it is incomplete or damaged"))
    count, length = struct.unpack(">II", begin[8:])
    if count * 16 > MAX_METADATA_BYTES or length > MAX_METADATA_BYTES:
        raise PackageError(_("it is damaged"))
    index, store = stream.read(count * 16), stream.read(length)
    if len(index) < count * 16 or len(store) < length:
        raise PackageError(_("it ends within its header"))
    values: dict[int, str | int] = {}
    for tag, value_type, offset, _count in struct.iter_unpack(">IIII", index):
        if value_type == RPM_TYPE_STRING:
            values[tag] = store[offset : store.find(b"\0", offset)].decode(errors="replace")
        elif value_type == RPM_TYPE_INT32 and offset + 4 <= length:
            values[tag] = struct.unpack_from(">I", store, offset)[0]
    return values


def check_package(
    path: Path,
    info: PackageInfo,
    *,
    name: str = "",
    version: str = "",
    family: str = "",
    architectures: Iterable[str] = (),
) -> None:
    """Check that a package is the one that the release means.

    Args:
        path: file of the package, for the message.
        info: its metadata; what is unknown is not checked.
        name: expected name; "" accepts any.
        version: expected version; "" accepts any.
        family: expected family; "" accepts any.
        architectures: acceptable architectures besides all/noarch; empty accepts any.

    Raises:
        InvalidInput: it is another package.
    """
    allowed = [*architectures]
    if info.architecture in ANY_ARCHITECTURE:
        allowed = []
    for field, actual, expected in (
        ("family", info.family, [family]),
        ("name", info.name, [name]),
        ("version", info.version, [version]),
        ("architecture", info.architecture, allowed),
    ):
        if actual and any(expected) and actual not in expected:
            raise InvalidInput(
                _(
                    "{path}: the {field} of this package is {actual}, but the release "
                    "needs {expected}",
                    path=path,
                    field=field,
                    actual=actual,
                    expected=_(" or ").join(expected),
                )
            )
