"""The image in an archive: what `docker save` wrote, whole; its file's name proves nothing."""

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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Protocol

from fleet.store import file_types

BLOCK_BYTES = 1 << 20
#: bytes of a document in an archive, of all that are kept, and names of members that are
MAX_DOCUMENT_BYTES, MAX_DOCUMENTS_BYTES, MAX_MEMBERS = 1 << 20, 64 << 20, 1_000_000
#: times that an archive may be as large unpacked, and bytes that any may
MAX_COMPRESSION_RATIO, MIN_UNPACKED_LIMIT_BYTES = 100, 1 << 30
#: what a container's own files begin with
ROOT_FOLDERS = {"bin", "etc", "usr", "var", "lib", "opt"}
DECOMPRESSORS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
#: what the standard library says of archives that are not whole
ARCHIVE_ERRORS = (
    OSError,
    EOFError,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    TypeError,
)
LIBC_PATH = re.compile(r"(?:usr/)?lib(?:64|/[^/]+-linux-gnu)?/libc-(2\.\d+)\.so")
INSTALLED_PACKAGE_PATH = re.compile(
    r".*/(?:site|dist)-packages/([A-Za-z0-9._]+)-[^/]*\.(?:dist|egg)-info(?:/|$)"
)
PYTHON_LIBRARY_PATH = re.compile(r"lib/python(3\.\d+)/")


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class ImageArchiveError(Exception):
    """Why an archive is none of one image, and what to do, in words."""


@dataclass
class Image:
    """What an archive has, as far as it could be seen."""

    id: str = ""
    tags: tuple[str, ...] = ()
    #: of the vendor: the driver it needs, its CNToolkit
    labels: dict[str, str] = field(default_factory=dict)
    architecture: str = ""
    #: version of its Python, "3.7", and of its C library; "" where it was not seen
    python_version: str = ""
    glibc_version: str = ""
    #: names of Python packages in it
    installed_packages: set[str] = field(default_factory=set)


class _LimitedStream:
    """What is unpacked, up to a limit."""

    def __init__(self, stream: Stream, limit: int) -> None:
        self._stream, self._remaining = stream, limit

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._remaining -= len(block)
        if self._remaining < 0:
            raise ImageArchiveError(
                f"it is more than {MAX_COMPRESSION_RATIO} times as large when it is unpacked: "
                "no image is"
            )
        return block


class _HeadRecorder:
    """A stream whose beginning is kept."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self.head = stream, b""

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.head += block[: max(0, file_types.HEAD_BYTES - len(self.head))]
        return block


class _LayerScanner:
    """What is learnt of an image as its layers come by."""

    def __init__(self, python: str) -> None:
        self.image, self._python_versions = Image(), set[str]()
        #: names of what is an archive by its beginning, or a link to one
        self.valid_layers: set[str] = set()
        self._links: dict[str, str] = {}
        self._python_path = python.lstrip("/")
        self._python_prefix = str(PurePosixPath(self._python_path).parent.parent)

    def scan_layer(self, name: str, stream: Any) -> None:
        """Names in a layer; one that cannot be read here (zstd) says nothing."""
        heard: Any = _HeadRecorder(stream)
        with (
            suppress(*ARCHIVE_ERRORS),
            tarfile.open(fileobj=heard, mode="r|*", bufsize=BLOCK_BYTES) as tar,
        ):
            for member in tar:
                self._scan_member(posixpath.normpath(member.name), member)
        begin = heard.begin
        if (
            begin[257:262] == b"ustar"
            or begin.startswith((*DECOMPRESSORS, ZSTD_MAGIC))
            or (begin and not any(begin))
        ):
            self.valid_layers.add(name)

    def _scan_member(self, name: str, member: tarfile.TarInfo) -> None:
        if "-packages/" in name and (found := INSTALLED_PACKAGE_PATH.match(name)):
            self.image.installed_packages.add(re.sub(r"[-_.]+", "-", found[1]).lower())
        elif "/libc-" in name and (libc := LIBC_PATH.fullmatch(name)):
            self.image.glibc_version = libc[1]
        if name.startswith(f"{self._python_prefix}/"):
            if library := PYTHON_LIBRARY_PATH.match(name[len(self._python_prefix) + 1 :]):
                self._python_versions.add(library[1])
            elif member.issym():
                self._links[name] = member.linkname

    def finish(self) -> Image:
        name = self._python_path
        for _ in range(8):  # python -> python3 -> /usr/bin/python3.7
            if version := re.search(r"python(3\.\d+)$", name):
                self.image.python_version = version[1]
                return self.image
            target = self._links.get(name)
            if target is None:
                break
            name = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)).lstrip("/")
        if len(self._python_versions) == 1:
            self.image.python_version = next(iter(self._python_versions))
        return self.image


def read_image(stream: Stream, size: int, begin: bytes, python: str) -> Image:
    """The image in an archive, read to its end.

    :param size: of the archive in bytes
    :param begin: its first bytes
    :param python: path in the image of the Python that counts
    :raises NoImage: it is none of exactly one image, or not whole
    """
    packer = next((made for magic, made in DECOMPRESSORS.items() if begin.startswith(magic)), None)
    if packer is None and (begin[257:262] != b"ustar" or file_types.is_lfs_pointer(begin)):
        hint = "" if not begin.startswith(b"\x28\xb5") else ", which old docker cannot load"
        raise ImageArchiveError(
            f"{file_types.describe_content(begin)}{hint}; it takes what `docker save` writes"
        )
    opened: Any = packer(stream) if packer else stream
    plain, seen = (
        _LimitedStream(opened, max(MIN_UNPACKED_LIMIT_BYTES, MAX_COMPRESSION_RATIO * size)),
        _LayerScanner(python),
    )
    small: dict[str, bytes] = {}
    names: list[str] = []
    try:
        with tarfile.open(fileobj=plain, mode="r|", bufsize=BLOCK_BYTES) as tar:  # type: ignore[call-overload]
            for member in tar:
                names.append(name := posixpath.normpath(member.name))
                if len(names) > MAX_MEMBERS:
                    raise ImageArchiveError(
                        f"it has more than {MAX_MEMBERS} files, as no image has"
                    )
                _read_member(tar, member, name, small, seen)
        while plain.read(BLOCK_BYTES):
            pass  # what packed it says at its end whether all of it came
    except ARCHIVE_ERRORS as error:
        raise ImageArchiveError(f"it is cut or spoilt: {error}; fetch it again") from error
    return _assemble_image(small, set(names), seen)


def _read_member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    name: str,
    small: dict[str, bytes],
    seen: _LayerScanner,
) -> None:
    if member.issym() or member.islnk():  # of a layer that several images share
        seen.valid_layers.add(name)
    content = tar.extractfile(member) if member.isfile() else None
    if content is None:
        return
    layer = name.endswith(".tar") or name.startswith("blobs/")
    if member.size >= MAX_DOCUMENT_BYTES:
        if layer:
            seen.scan_layer(name, content)
        return
    text = content.read()
    if layer:
        seen.scan_layer(name, io.BytesIO(text))
    if sum(map(len, small.values())) + len(text) <= MAX_DOCUMENTS_BYTES:
        small[name] = text


def _assemble_image(small: dict[str, bytes], names: set[str], seen: _LayerScanner) -> Image:
    image = seen.finish()
    if "manifest.json" not in names:
        raise ImageArchiveError(_explain_other_archive(names))
    try:
        entries = json.loads(small.get("manifest.json", b""))
        if isinstance(entries, list) and len(entries) > 1:
            tags = ", ".join(str(tag) for one in entries for tag in one.get("RepoTags") or ["?"])
            raise ImageArchiveError(
                f"it has several images ({tags:.200}): `docker save` the one alone"
            )
        entry = entries[0]
        config, layers = posixpath.normpath(entry["Config"]), entry["Layers"]
        image.tags = tuple(map(str, entry.get("RepoTags") or ()))
        missing = [one for one in layers if posixpath.normpath(one) not in names]
        image.id = PurePosixPath(config).name.removesuffix(".json")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ImageArchiveError("its manifest.json is not docker's") from error
    if missing or config not in names:
        raise ImageArchiveError(
            f"it lacks {len(missing)} of its {len(layers)} layers"
            if missing
            else f"it lacks its own document, {config!r:.100}"
        )
    if spoilt := [one for one in layers if posixpath.normpath(one) not in seen.valid_layers]:
        raise ImageArchiveError(
            f"its layer {spoilt[0]!r:.100} is no archive: it is cut or spoilt; fetch it again"
        )
    _add_configuration(image, small.get(config, b""))
    return image


def _add_configuration(image: Image, document: bytes) -> None:
    """What an image's own document says of it; its sum is the image's id."""
    if hashlib.sha256(document).hexdigest() != image.id:
        raise ImageArchiveError(
            f"its document is not the one that its manifest names ({image.id:.80}): it "
            "was spoilt or changed: save it again"
        )
    image.id = f"sha256:{image.id}"
    try:
        said = json.loads(document)
        system, image.architecture = str(said.get("os") or ""), str(said.get("architecture") or "")
        found = (said.get("config") or {}).get("Labels") or {}
        image.labels = {
            str(k): str(v) for k, v in found.items() if str(k).startswith("com.cambricon.")
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ImageArchiveError("its own document is not docker's") from error
    if system not in ("", "linux"):
        raise ImageArchiveError(f"it is for {system}")


def _explain_other_archive(names: set[str]) -> str:
    """What an archive is that has no manifest.json, and what to do."""
    if {"oci-layout", "index.json"} & names:
        return (
            "an OCI archive without docker's manifest.json, which old docker cannot load: "
            "`skopeo copy oci-archive:IT docker-archive:NEW:REFERENCE`"
        )
    if len({name.partition("/")[0] for name in names} & ROOT_FOLDERS) > 2:
        return (
            "the files of a container, as `docker export` writes them, and no image: "
            "`docker save REFERENCE` has all of it"
        )
    if "repositories" in names:
        return "saved by docker before 1.10: load it into a newer one and `docker save` it there"
    inside = [name for name in names if re.search(r"\.(tar|tgz|tar\.\w+)$", name)]
    if len(names) < 5 and inside and not any(name.endswith("/layer.tar") for name in names):
        return f"an archive in an archive ({inside[0]!r:.100}): unpack it once"
    deeper = next((name for name in names if name.endswith("/manifest.json")), "")
    if deeper:
        return f"its manifest.json is in a folder ({deeper!r:.100}): pack what is inside of that"
    some = ", ".join(sorted(names)[:4])
    return f"a tar archive without manifest.json (it has {some!r:.120}): `docker save` makes one"


def check_tag(image: Image, reference: str) -> None:
    """:raises NoImage: it has not the release's tag"""
    if reference in image.tags:
        return
    if not image.tags:
        raise ImageArchiveError(
            f"it has no tag, as what was saved by its id: `docker save {reference}`"
        )
    raise ImageArchiveError(f"holds {', '.join(image.tags):.200}, but the release says {reference}")
