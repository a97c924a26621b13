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

BLOCK = 1 << 20
#: bytes of a document in an archive, of all that are kept, and names of members that are
SMALL, DOCUMENTS, MEMBERS = 1 << 20, 64 << 20, 1_000_000
#: times that an archive may be as large unpacked, and bytes that any may
MOST, LEAST = 100, 1 << 30
#: what a container's own files begin with
ROOTS = {"bin", "etc", "usr", "var", "lib", "opt"}
PACKED: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
ZSTD = b"\x28\xb5\x2f\xfd"
#: what the standard library says of archives that are not whole
BROKEN = (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError, ValueError, TypeError)
LIBC = re.compile(r"(?:usr/)?lib(?:64|/[^/]+-linux-gnu)?/libc-(2\.\d+)\.so")
INSTALLED = re.compile(
    r".*/(?:site|dist)-packages/([A-Za-z0-9._]+)-[^/]*\.(?:dist|egg)-info(?:/|$)"
)
LIBRARY = re.compile(r"lib/python(3\.\d+)/")


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class NoImage(Exception):
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
    python: str = ""
    glibc: str = ""
    #: names of Python packages in it
    installed: set[str] = field(default_factory=set)


class _Bounded:
    """What is unpacked, up to a limit."""

    def __init__(self, stream: Stream, limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise NoImage(f"it is more than {MOST} times as large when it is unpacked: no image is")
        return block


class _Heard:
    """A stream whose beginning is kept."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self.begin = stream, b""

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.begin += block[: max(0, file_types.ENOUGH - len(self.begin))]
        return block


class _Seen:
    """What is learnt of an image as its layers come by."""

    def __init__(self, python: str) -> None:
        self.image, self._libraries = Image(), set[str]()
        #: names of what is an archive by its beginning, or a link to one
        self.layers: set[str] = set()
        self._links: dict[str, str] = {}
        self._python = python.lstrip("/")
        self._root = str(PurePosixPath(self._python).parent.parent)

    def layer(self, name: str, stream: Any) -> None:
        """Names in a layer; one that cannot be read here (zstd) says nothing."""
        heard: Any = _Heard(stream)
        with suppress(*BROKEN), tarfile.open(fileobj=heard, mode="r|*", bufsize=BLOCK) as tar:
            for member in tar:
                self._file(posixpath.normpath(member.name), member)
        begin = heard.begin
        if (
            begin[257:262] == b"ustar"
            or begin.startswith((*PACKED, ZSTD))
            or (begin and not any(begin))
        ):
            self.layers.add(name)

    def _file(self, name: str, member: tarfile.TarInfo) -> None:
        if "-packages/" in name and (found := INSTALLED.match(name)):
            self.image.installed.add(re.sub(r"[-_.]+", "-", found[1]).lower())
        elif "/libc-" in name and (libc := LIBC.fullmatch(name)):
            self.image.glibc = libc[1]
        if name.startswith(f"{self._root}/"):
            if library := LIBRARY.match(name[len(self._root) + 1 :]):
                self._libraries.add(library[1])
            elif member.issym():
                self._links[name] = member.linkname

    def end(self) -> Image:
        name = self._python
        for _ in range(8):  # python -> python3 -> /usr/bin/python3.7
            if version := re.search(r"python(3\.\d+)$", name):
                self.image.python = version[1]
                return self.image
            target = self._links.get(name)
            if target is None:
                break
            name = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)).lstrip("/")
        if len(self._libraries) == 1:
            self.image.python = next(iter(self._libraries))
        return self.image


def read(stream: Stream, size: int, begin: bytes, python: str) -> Image:
    """The image in an archive, read to its end.

    :param size: of the archive in bytes
    :param begin: its first bytes
    :param python: path in the image of the Python that counts
    :raises NoImage: it is none of exactly one image, or not whole
    """
    packer = next((made for magic, made in PACKED.items() if begin.startswith(magic)), None)
    if packer is None and (begin[257:262] != b"ustar" or file_types.pointer(begin)):
        hint = "" if not begin.startswith(b"\x28\xb5") else ", which old docker cannot load"
        raise NoImage(f"{file_types.told(begin)}{hint}; it takes what `docker save` writes")
    opened: Any = packer(stream) if packer else stream
    plain, seen = _Bounded(opened, max(LEAST, MOST * size)), _Seen(python)
    small: dict[str, bytes] = {}
    names: list[str] = []
    try:
        with tarfile.open(fileobj=plain, mode="r|", bufsize=BLOCK) as tar:  # type: ignore[call-overload]
            for member in tar:
                names.append(name := posixpath.normpath(member.name))
                if len(names) > MEMBERS:
                    raise NoImage(f"it has more than {MEMBERS} files, as no image has")
                _member(tar, member, name, small, seen)
        while plain.read(BLOCK):
            pass  # what packed it says at its end whether all of it came
    except BROKEN as error:
        raise NoImage(f"it is cut or spoilt: {error}; fetch it again") from error
    return _image(small, set(names), seen)


def _member(
    tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, small: dict[str, bytes], seen: _Seen
) -> None:
    if member.issym() or member.islnk():  # of a layer that several images share
        seen.layers.add(name)
    content = tar.extractfile(member) if member.isfile() else None
    if content is None:
        return
    layer = name.endswith(".tar") or name.startswith("blobs/")
    if member.size >= SMALL:
        if layer:
            seen.layer(name, content)
        return
    text = content.read()
    if layer:
        seen.layer(name, io.BytesIO(text))
    if sum(map(len, small.values())) + len(text) <= DOCUMENTS:
        small[name] = text


def _image(small: dict[str, bytes], names: set[str], seen: _Seen) -> Image:
    image = seen.end()
    if "manifest.json" not in names:
        raise NoImage(_other(names))
    try:
        entries = json.loads(small.get("manifest.json", b""))
        if isinstance(entries, list) and len(entries) > 1:
            tags = ", ".join(str(tag) for one in entries for tag in one.get("RepoTags") or ["?"])
            raise NoImage(f"it has several images ({tags:.200}): `docker save` the one alone")
        entry = entries[0]
        config, layers = posixpath.normpath(entry["Config"]), entry["Layers"]
        image.tags = tuple(map(str, entry.get("RepoTags") or ()))
        missing = [one for one in layers if posixpath.normpath(one) not in names]
        image.id = PurePosixPath(config).name.removesuffix(".json")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise NoImage("its manifest.json is not docker's") from error
    if missing or config not in names:
        raise NoImage(
            f"it lacks {len(missing)} of its {len(layers)} layers"
            if missing
            else f"it lacks its own document, {config!r:.100}"
        )
    if spoilt := [one for one in layers if posixpath.normpath(one) not in seen.layers]:
        raise NoImage(
            f"its layer {spoilt[0]!r:.100} is no archive: it is cut or spoilt; fetch it again"
        )
    _described(image, small.get(config, b""))
    return image


def _described(image: Image, document: bytes) -> None:
    """What an image's own document says of it; its sum is the image's id."""
    if hashlib.sha256(document).hexdigest() != image.id:
        raise NoImage(
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
        raise NoImage("its own document is not docker's") from error
    if system not in ("", "linux"):
        raise NoImage(f"it is for {system}")


def _other(names: set[str]) -> str:
    """What an archive is that has no manifest.json, and what to do."""
    if {"oci-layout", "index.json"} & names:
        return (
            "an OCI archive without docker's manifest.json, which old docker cannot load: "
            "`skopeo copy oci-archive:IT docker-archive:NEW:REFERENCE`"
        )
    if len({name.partition("/")[0] for name in names} & ROOTS) > 2:
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


def tagged(image: Image, reference: str) -> None:
    """:raises NoImage: it has not the release's tag"""
    if reference in image.tags:
        return
    if not image.tags:
        raise NoImage(f"it has no tag, as what was saved by its id: `docker save {reference}`")
    raise NoImage(f"holds {', '.join(image.tags):.200}, but the release says {reference}")
