"""The layers of an image, looked at while its archive is read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from fleet.store import file_types
from fleet.store.image_files import MAX_FILES, Entry, ImageFiles
from fleet.store.image_python import DESCRIPTION, ImagePython, InstalledPackage

BLOCK_BYTES = 1 << 20
#: bounds of one text that is kept, and of all
MAX_TEXT_BYTES, MAX_TEXTS_BYTES = 256 << 10, 64 << 20
DECOMPRESSORS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
#: exceptions of the standard library for incomplete and damaged archives
ARCHIVE_ERRORS = (
    OSError,
    EOFError,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    TypeError,
)
LIBC_NAME = re.compile(r"libc-(2\.\d+)\.so")
NEUWARE_VERSION = re.compile(r"Neuware Version v?(\d+(?:\.\d+)+)", re.IGNORECASE)
#: small files that are kept
KEPT_PATH = re.compile(rf"{DESCRIPTION.pattern}|.*neuware[^/]*/version\.txt")


def find_decompressor(begin: bytes) -> Callable[[Any], Any] | None:
    """Return what unpacks a compressed file; None if it is not compressed in a way that is known.

    Args:
        begin: the first bytes of the file.
    """
    return next((each for magic, each in DECOMPRESSORS.items() if begin.startswith(magic)), None)


class Stream(Protocol):
    """Anything that bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Read bytes.

        Args:
            size: bytes to read at most; -1 reads to the end.

        Returns:
            The bytes; empty at the end.
        """
        ...


@dataclass(kw_only=True)
class ImageContents:
    """What is in the layers of an image.

    Attributes:
        python_version: version of its Python, such as "3.7"; "" if unknown.
        glibc_version: version of its C library, such as "2.17"; "" if unknown.
        neuware_version: version of the vendor's SDK, such as "3.9.0"; "" if unknown.
        installed_packages: packages of its Python by their normalized names.
        files: its files; None if a layer could not be read, which proves no file missing.
        unread_layers: layers that could not be read, because they are compressed with zstd.
    """

    python_version: str = ""
    glibc_version: str = ""
    neuware_version: str = ""
    installed_packages: dict[str, InstalledPackage] = field(default_factory=dict)
    files: ImageFiles | None = field(default=None, repr=False)
    unread_layers: tuple[str, ...] = ()


class _HeadRecorder:
    """A stream that keeps its first bytes."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self.head = stream, b""

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.head += block[: max(0, file_types.HEAD_BYTES - len(self.head))]
        return block


class LayerScanner:
    """Collects facts about an image while its layers are read."""

    def __init__(self) -> None:
        #: names of members that begin like an archive, or are links to one
        self.valid_layers: set[str] = set()
        self._files: dict[str, ImageFiles] = {}
        self._texts: dict[str, dict[str, str]] = {}
        #: layers that images share, and where they are
        self._links: dict[str, str] = {}
        self._text_bytes = 0
        #: files of all layers; those above MAX_FILES are left out
        self.file_count = 0

    def add_link(self, name: str, target: str) -> None:
        """Record a member that is a link to a layer.

        Args:
            name: its name.
            target: name of the member that it leads to.
        """
        self.valid_layers.add(name)
        self._links[name] = target

    def scan_layer(self, name: str, stream: Any) -> None:
        """List the files of a layer, and keep what describes its Python packages.

        A layer that cannot be unpacked (zstd, before Python 3.14) is left out.

        Args:
            name: name of the layer's member.
            stream: its content.
        """
        recorder = _HeadRecorder(stream)
        source: Any = recorder
        files, texts = ImageFiles(), dict[str, str]()
        with (
            suppress(*ARCHIVE_ERRORS),
            tarfile.open(fileobj=source, mode="r|*", bufsize=BLOCK_BYTES) as tar,
        ):
            for member in _iterate_members(tar):
                self._scan_member(tar, member, files, texts)
                self.file_count += 1
                if self.file_count > MAX_FILES:
                    break
            self._files[name], self._texts[name] = files, texts
        head = recorder.head
        is_tar, is_empty_tar = head[257:262] == b"ustar", bool(head) and not any(head)
        if is_tar or is_empty_tar or head.startswith((*DECOMPRESSORS, ZSTD_MAGIC)):
            self.valid_layers.add(name)

    def _scan_member(
        self,
        tar: tarfile.TarFile,
        member: tarfile.TarInfo,
        files: ImageFiles,
        texts: dict[str, str],
    ) -> None:
        name = posixpath.normpath(member.name).lstrip("/")
        entry: Entry = {} if member.isdir() else member.linkname if member.issym() else None
        files.add(name, entry)
        if member.size <= MAX_TEXT_BYTES and member.isfile() and KEPT_PATH.fullmatch(name):
            content = tar.extractfile(member)
            self._text_bytes += member.size
            if content and self._text_bytes <= MAX_TEXTS_BYTES:
                texts[f"/{name}"] = content.read().decode(errors="replace")

    def describe_layers(self, layers: list[str], python: str) -> ImageContents:
        """Put layers on one another, and describe the image by its files.

        Args:
            layers: names of the layers, from the lowest to the uppermost.
            python: path of the Python program in the image.

        Returns:
            What is in the image.
        """
        files, texts = ImageFiles(), dict[str, str]()
        for layer in layers:
            name = self._links.get(layer, layer)
            if name in self._files:
                files.put_layer(self._files[name])
                texts |= self._texts[name]
        unread = tuple(name for name in layers if self._links.get(name, name) not in self._files)
        found = ImagePython(python, files, texts)
        neuware = (text for path, text in texts.items() if path.endswith("/version.txt"))
        versions = (match[1] for text in neuware if (match := NEUWARE_VERSION.search(text)))
        return ImageContents(
            python_version=found.version,
            glibc_version=_find_glibc_version(files),
            neuware_version=next(versions, ""),
            installed_packages=found.list_packages(),
            files=None if unread else files,
            unread_layers=unread,
        )


def _iterate_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive without keeping them, which costs 1 KB each."""
    kept: list[tarfile.TarInfo] = vars(tar)["members"]
    for member in tar:
        kept.clear()
        yield member


def _find_glibc_version(files: ImageFiles) -> str:
    """Determine the version of the C library, such as "2.27"; "" if unknown."""
    folders = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"]
    folders += [
        f"{folder}/{name}"
        for folder in ("/lib", "/usr/lib")
        for name in files.list_folder(folder)
        if name.endswith("-linux-gnu")
    ]
    names = (name for folder in folders for name in files.list_folder(folder))
    return next((found[1] for name in names if (found := LIBC_NAME.fullmatch(name))), "")
