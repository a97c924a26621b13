"""The image in an archive that `docker save` wrote.

The archive is read to its end: its name proves nothing, and neither does its beginning.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import posixpath
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Protocol

from fleet.store import file_types
from fleet.store.image_files import MAX_FILES, Entry, ImageFiles
from fleet.store.image_python import DESCRIPTION, ImagePython, InstalledPackage

BLOCK_BYTES = 1 << 20
#: bounds of one JSON document, of all documents that are kept, and of the members of an archive
MAX_DOCUMENT_BYTES, MAX_DOCUMENTS_BYTES, MAX_MEMBERS = 1 << 20, 64 << 20, 1_000_000
#: how much an archive may grow when it is unpacked; small ones may grow to the second value
MAX_COMPRESSION_RATIO, MIN_UNPACKED_LIMIT_BYTES = 100, 1 << 30
#: top folders of a container's own files
ROOT_FOLDERS = {"bin", "etc", "usr", "var", "lib", "opt"}
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
#: small files that are kept, and how large one may be
KEPT_PATH = re.compile(rf"{DESCRIPTION.pattern}|.*neuware[^/]*/version\.txt")
MAX_TEXT_BYTES = 256 << 10


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


class ImageArchiveError(Exception):
    """The archive does not contain exactly one complete image; the message says what to do."""


@dataclass
class Image:
    """An image, as far as its archive shows it.

    Attributes:
        id: sha256 of its configuration, with the prefix ``sha256:``.
        tags: references that it is loaded under.
        labels: the vendor's labels, such as the driver that the image requires.
        architecture: docker's name of the processor architecture.
        python_version: version of its Python, such as "3.7"; "" if unknown.
        glibc_version: version of its C library, such as "2.17"; "" if unknown.
        neuware_version: version of the vendor's SDK, such as "3.9.0"; "" if unknown.
        installed_packages: packages of its Python by their normalized names.
        files: its files; None if a layer could not be read, which proves no file missing.
        unread_layers: layers that could not be read, because they are compressed with zstd.
    """

    id: str = ""
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    architecture: str = ""
    python_version: str = ""
    glibc_version: str = ""
    neuware_version: str = ""
    installed_packages: dict[str, InstalledPackage] = field(default_factory=dict)
    files: ImageFiles | None = field(default=None, repr=False)
    unread_layers: tuple[str, ...] = ()


class _LimitedStream:
    """An unpacked stream that must not exceed a number of bytes."""

    def __init__(self, stream: Stream, limit: int) -> None:
        self._stream, self._remaining = stream, limit

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._remaining -= len(block)
        if self._remaining < 0:
            raise ImageArchiveError(
                f"it grows to more than {MAX_COMPRESSION_RATIO} times its size when it is "
                "unpacked, as no image does"
            )
        return block


class _HeadRecorder:
    """A stream that keeps its first bytes."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self.head = stream, b""

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.head += block[: max(0, file_types.HEAD_BYTES - len(self.head))]
        return block


class _LayerScanner:
    """Collects facts about an image while its layers are read."""

    def __init__(self) -> None:
        #: names of members that begin like an archive, or are links to one
        self.valid_layers: set[str] = set()
        self._files: dict[str, ImageFiles] = {}
        self._texts: dict[str, dict[str, str]] = {}
        #: layers that images share, and where they are
        self._links: dict[str, str] = {}
        self._text_bytes = 0

    def add_link(self, name: str, target: str) -> None:
        """Record a member that is a link to a layer."""
        self.valid_layers.add(name)
        self._links[name] = target

    def scan_layer(self, name: str, stream: Any) -> None:
        """List the files of a layer, and keep what describes its Python packages.

        A layer that cannot be unpacked (zstd, before Python 3.14) is left out.
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
        if files.count > MAX_FILES:
            raise ImageArchiveError(f"it has more than {MAX_FILES} files, as no image has")
        if member.size <= MAX_TEXT_BYTES and member.isfile() and KEPT_PATH.fullmatch(name):
            content = tar.extractfile(member)
            self._text_bytes += member.size
            if content and self._text_bytes <= MAX_DOCUMENTS_BYTES:
                texts[f"/{name}"] = content.read().decode(errors="replace")

    def finish(self, image: Image, layers: list[str], python: str) -> None:
        """Put the layers on one another, and describe the image by its files.

        Args:
            image: the image to describe.
            layers: names of its layers, from the lowest to the uppermost.
            python: path of the Python program in the image.
        """
        files, texts = ImageFiles(), dict[str, str]()
        unread = []
        for layer in layers:
            name = self._links.get(layer, layer)
            if name in self._files:
                files.put_layer(self._files.pop(name))
                texts |= self._texts.pop(name)
            else:
                unread.append(layer)
        found = ImagePython(python, files, texts)
        image.python_version = found.version
        image.installed_packages = found.list_packages()
        image.glibc_version = _find_glibc_version(files)
        neuware = (text for path, text in texts.items() if path.endswith("/version.txt"))
        image.neuware_version = next(
            (match[1] for text in neuware if (match := NEUWARE_VERSION.search(text))), ""
        )
        image.unread_layers = tuple(unread)
        image.files = None if unread else files


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


def read_image(stream: Stream, size: int, begin: bytes, python: str) -> Image:
    """Read an archive to its end and describe its image.

    Args:
        stream: the archive, from its beginning.
        size: bytes of the archive.
        begin: its first bytes.
        python: path of the Python program in the image.

    Returns:
        The image.

    Raises:
        ImageArchiveError: the archive does not contain exactly one complete image.
    """
    opened = _decompress(stream, begin)
    unpacked = _LimitedStream(opened, max(MIN_UNPACKED_LIMIT_BYTES, MAX_COMPRESSION_RATIO * size))
    source: Any = unpacked
    scanner = _LayerScanner()
    documents: dict[str, bytes] = {}
    names: list[str] = []
    try:
        with tarfile.open(fileobj=source, mode="r|", bufsize=BLOCK_BYTES) as tar:
            for member in tar:
                names.append(name := posixpath.normpath(member.name))
                if len(names) > MAX_MEMBERS:
                    raise ImageArchiveError(
                        f"it has more than {MAX_MEMBERS} files, as no image has"
                    )
                _read_member(tar, member, name, documents, scanner)
        while unpacked.read(BLOCK_BYTES):
            pass  # only at its end does a compressed stream show whether it is complete
    except ARCHIVE_ERRORS as error:
        raise ImageArchiveError(f"it is incomplete or damaged: {error}; fetch it again") from error
    return _assemble_image(documents, set(names), scanner, python)


def _decompress(stream: Stream, begin: bytes) -> Any:
    decompress = next((f for magic, f in DECOMPRESSORS.items() if begin.startswith(magic)), None)
    if decompress:
        return decompress(stream)
    if begin[257:262] != b"ustar" or file_types.is_lfs_pointer(begin):
        hint = ", which old docker cannot load" if begin.startswith(ZSTD_MAGIC[:2]) else ""
        raise ImageArchiveError(
            f"{file_types.describe_content(begin)}{hint}; the output of `docker save` is expected"
        )
    return stream


def _read_member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    name: str,
    documents: dict[str, bytes],
    scanner: _LayerScanner,
) -> None:
    """Scan a member that is a layer, and keep it if it is small enough for a document."""
    if member.issym() or member.islnk():  # a layer that images share
        folder = posixpath.dirname(name) if member.issym() else ""
        scanner.add_link(name, posixpath.normpath(posixpath.join(folder, member.linkname)))
    content = tar.extractfile(member) if member.isfile() else None
    if content is None:
        return
    is_layer = name.endswith(".tar") or name.startswith("blobs/")
    if member.size >= MAX_DOCUMENT_BYTES:
        if is_layer:
            scanner.scan_layer(name, content)
        return
    text = content.read()
    if is_layer:
        scanner.scan_layer(name, io.BytesIO(text))
    if sum(map(len, documents.values())) + len(text) <= MAX_DOCUMENTS_BYTES:
        documents[name] = text


def _assemble_image(
    documents: dict[str, bytes], names: set[str], scanner: _LayerScanner, python: str
) -> Image:
    image = Image()
    if "manifest.json" not in names:
        raise ImageArchiveError(_explain_other_archive(names))
    try:
        entry = _load_manifest_entry(documents.get("manifest.json", b""))
        config = posixpath.normpath(entry["Config"])
        layers = [posixpath.normpath(layer) for layer in entry["Layers"]]
        image.tags = tuple(map(str, entry.get("RepoTags") or ()))
        missing = [layer for layer in layers if layer not in names]
        image.id = PurePosixPath(config).name.removesuffix(".json")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ImageArchiveError("its manifest.json is not one of docker") from error
    if missing:
        raise ImageArchiveError(f"{len(missing)} of its {len(layers)} layers are missing")
    if config not in names:
        raise ImageArchiveError(f"its configuration {config!r:.100} is missing")
    for layer in layers:
        if layer not in scanner.valid_layers:
            raise ImageArchiveError(
                f"its layer {layer!r:.100} is not an archive, so it is incomplete or damaged; "
                "fetch it again"
            )
    _add_configuration(image, documents.get(config, b""))
    scanner.finish(image, layers, python)
    return image


def _load_manifest_entry(manifest: bytes) -> Any:
    """Return docker's description of the only image in an archive."""
    entries = json.loads(manifest)
    if isinstance(entries, list) and len(entries) > 1:
        tags = ", ".join(str(tag) for entry in entries for tag in entry.get("RepoTags") or ["?"])
        raise ImageArchiveError(f"it has several images ({tags:.200}): `docker save` only one")
    return entries[0]


def _add_configuration(image: Image, document: bytes) -> None:
    """Add the image's configuration, whose checksum is the image's id."""
    if hashlib.sha256(document).hexdigest() != image.id:
        raise ImageArchiveError(
            f"its configuration does not match its id ({image.id:.80}), so it was damaged or "
            "changed: save it again"
        )
    image.id = f"sha256:{image.id}"
    try:
        config = json.loads(document)
        image.architecture = str(config.get("architecture") or "")
        system = str(config.get("os") or "")
        labels = (config.get("config") or {}).get("Labels") or {}
        image.labels = {
            str(key): str(value)
            for key, value in labels.items()
            if str(key).startswith("com.cambricon.")
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ImageArchiveError("its configuration is not one of docker") from error
    if system not in ("", "linux"):
        raise ImageArchiveError(f"it is an image for {system}, not for linux")


def _explain_other_archive(names: set[str]) -> str:
    """Explain what an archive without manifest.json is, and what to do."""
    if {"oci-layout", "index.json"} & names:
        return (
            "an OCI archive without docker's manifest.json, which old docker cannot load: convert "
            "it with `skopeo copy oci-archive:FILE docker-archive:NEW:REFERENCE`"
        )
    if len({name.partition("/")[0] for name in names} & ROOT_FOLDERS) > 2:
        return (
            "the files of a container, as `docker export` writes them, not an image: use "
            "`docker save REFERENCE`"
        )
    if "repositories" in names:
        return "saved by docker before 1.10: load it into a newer docker and `docker save` it there"
    inside = [name for name in names if re.search(r"\.(tar|tgz|tar\.\w+)$", name)]
    if len(names) < 5 and inside and not any(name.endswith("/layer.tar") for name in names):
        return f"an archive inside of an archive ({inside[0]!r:.100}): unpack it once"
    deeper = next((name for name in names if name.endswith("/manifest.json")), "")
    if deeper:
        return f"its manifest.json is in a folder ({deeper!r:.100}): pack what is in it"
    some = ", ".join(sorted(names)[:4])
    return f"a tar archive without manifest.json (it has {some!r:.120}): use `docker save`"


def check_tag(image: Image, reference: str) -> None:
    """Check that an image has the tag of its release.

    Args:
        image: the image.
        reference: tag in the release, such as ``cambricon/pytorch:v1.10.0``.

    Raises:
        ImageArchiveError: the image has another tag or none.
    """
    if reference in image.tags:
        return
    if not image.tags:
        raise ImageArchiveError(
            f"it has no tag, because it was saved by its id: use `docker save {reference}`"
        )
    raise ImageArchiveError(
        f"it contains {', '.join(image.tags):.200}, but the release has {reference}"
    )
