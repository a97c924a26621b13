"""Small real packages: deb, rpm and wheel, made without any tool."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": lambda content: gzip.compress(content, mtime=0),
    ".xz": lzma.compress,
    ".zst": lambda content: b"\x28\xb5\x2f\xfd" + content,  # nothing here can unpack it
}


def tarred(**files: bytes) -> bytes:
    """A tar archive of files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def deb(
    name: str, version: str = "5.10.10", architecture: str = "amd64", *, packed: str = ".gz"
) -> bytes:
    """A package without files, as dpkg-deb makes it."""
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
        "Maintainer: nobody <a@b>\nDescription: small\n of a test\n"
    )
    parts = {
        "debian-binary": b"2.0\n",
        f"control.tar{packed}": PACKERS[packed](tarred(**{"./control": control.encode()})),
        "data.tar.gz": PACKERS[".gz"](tarred()),
    }
    made = b"!<arch>\n"
    for part, content in parts.items():
        head = f"{part:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
        made += head.encode() + content + b"\n" * (len(content) % 2)
    return made


def _header(*fields: tuple[int, int, bytes]) -> bytes:
    index, store = b"", b""
    for tag, kind, content in sorted(fields):
        if kind == 4:
            store += bytes(-len(store) % 4)
        index += struct.pack(">IIII", tag, kind, len(store), 1)
        store += content
    return (
        b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", len(fields), len(store)) + index + store
    )


def rpm(
    name: str, version: str = "5.10.10", architecture: str = "x86_64", *, source: bool = False
) -> bytes:
    """A package without files, as far as its header goes."""
    texts = {
        1000: name,
        1001: version,
        1002: "1",
        1021: "linux",
        1022: architecture,
        1124: "cpio",
        1125: "gzip",
    }
    if not source:
        texts[1044] = f"{name}-{version}-1.src.rpm"
    content = _header(*((tag, 6, text.encode() + b"\0") for tag, text in texts.items()))
    content += gzip.compress(b"", mtime=0)
    signature = _header((1000, 4, struct.pack(">I", len(content))))
    full = f"{name}-{version}-1".encode()[:65].ljust(66, b"\0")
    lead = (
        b"\xed\xab\xee\xdb\x03\0" + struct.pack(">HH", source, 1) + full + struct.pack(">HH", 1, 5)
    )
    return lead.ljust(96, b"\0") + signature + bytes(-(len(signature)) % 8) + content


def wheel(name: str, version: str = "1.0", *needs: str, python: str = "") -> bytes:
    """A wheel without modules, which needs others."""
    target = io.BytesIO()
    said = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    said += f"Requires-Python: {python}\n" if python else ""
    said += "".join(f"Requires-Dist: {one}\n" for one in needs)
    with zipfile.ZipFile(target, "w") as archive:
        where = f"{name.replace('-', '_')}-{version}.dist-info"
        archive.writestr(zipfile.ZipInfo(f"{where}/METADATA"), said)
        archive.writestr(zipfile.ZipInfo(f"{where}/WHEEL"), "Wheel-Version: 1.0\n")
    return target.getvalue()
