"""Where the layers of an image lie in its archive, as ranges of bytes.

What was read once is cached under the SHA-256 of the archive.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from operator import eq
from pathlib import Path
from typing import Any, BinaryIO

from fleet.checksum import cache
from fleet.documents import atomic_write
from fleet.store.image_layers import ARCHIVE_ERRORS, BLOCK_BYTES, find_decompressor

#: bounds of one JSON document, and of all documents that are kept of an archive
MAX_DOCUMENT_BYTES, MAX_DOCUMENTS_BYTES = 1 << 20, 64 << 20
#: links that are followed from the name of a layer
MAX_LINKS = 8


@dataclass(frozen=True)
class ArchivedLayer:
    """A layer in an archive.

    Attributes:
        diff_id: sha256 of its uncompressed content, with the prefix ``sha256:``.
        begin: where its file begins in the unpacked archive, in bytes.
        size: bytes of its file.
    """

    diff_id: str
    begin: int
    size: int


@dataclass(frozen=True)
class LayerIndex:
    """Where the layers of an image lie in its archive.

    Attributes:
        config: the image's configuration, whose sha256 is the image's id.
        tags: references that the image is loaded under.
        layers: from the lowest to the uppermost.
        is_compressed: whether the archive has to be unpacked to be read.
    """

    config: bytes
    tags: tuple[str, ...]
    layers: tuple[ArchivedLayer, ...]
    is_compressed: bool

    @property
    def image_id(self) -> str:
        """The image's id."""
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    def count_present(self, chains: Iterable[tuple[str, ...]]) -> int:
        """Return how many layers a host has, from the lowest.

        Args:
            chains: the diff ids of each image of the host.
        """
        own = [layer.diff_id for layer in self.layers]
        equal = (map(eq, own, chain) for chain in chains)
        return max((sum(takewhile(bool, pairs)) for pairs in equal), default=0)

    def list_missing(self, present: int) -> list[ArchivedLayer]:
        """Return the layers above some of them, each once, in the order of the archive.

        Args:
            present: layers that are there, from the lowest.
        """
        missing = {layer.diff_id: layer for layer in self.layers[present:]}
        return sorted(missing.values(), key=lambda layer: layer.begin)

    def missing_bytes(self, present: int) -> int:
        """Return the bytes of these layers in the unpacked archive.

        Args:
            present: layers that are there, from the lowest.
        """
        return sum(layer.size for layer in self.list_missing(present))


@dataclass
class IndexBuilder:
    """Collects what an index needs while the members of an archive are read.

    Attributes:
        ranges: name of a file -> where its content begins in the unpacked archive, and its bytes.
        links: name of a link -> name of what it leads to.
    """

    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def add(self, member: tarfile.TarInfo, name: str) -> None:
        """Add a member.

        Args:
            member: the member.
            name: its normalized name.
        """
        if target := find_link_target(member, name):
            self.links[name] = target
        elif member.isreg() and not member.issparse():
            self.ranges[name] = member.offset_data, member.size

    def build(self, documents: dict[str, bytes], *, is_compressed: bool) -> LayerIndex | None:
        """Return the index.

        Args:
            documents: the small files of the archive by their names.
            is_compressed: whether the archive is compressed.

        Returns:
            The index; None if the archive is not docker's.
        """
        with suppress(ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return self._build(documents, is_compressed)
        return None

    def _build(self, documents: dict[str, bytes], is_compressed: bool) -> LayerIndex:
        (entry,) = json.loads(documents["manifest.json"])
        config = documents[posixpath.normpath(entry["Config"])]
        names = [posixpath.normpath(name) for name in entry["Layers"]]
        diff_ids = [str(each) for each in json.loads(config)["rootfs"]["diff_ids"]]
        layers = tuple(
            ArchivedLayer(diff_id, *self.ranges[self._follow(name)])
            for diff_id, name in zip(diff_ids, names, strict=True)
        )
        tags = tuple(map(str, entry.get("RepoTags") or ()))
        return LayerIndex(config, tags, layers, is_compressed)

    def _follow(self, name: str) -> str:
        for _ in range(MAX_LINKS):
            name = self.links.get(name, name)
        return name


def find_link_target(member: tarfile.TarInfo, name: str) -> str:
    """Return the normalized name of what a link in an archive leads to; empty for no link.

    Args:
        member: a member of the archive.
        name: its normalized name.
    """
    if not (member.issym() or member.islnk()):
        return ""
    folder = posixpath.dirname(name) if member.issym() else ""
    return posixpath.normpath(posixpath.join(folder, member.linkname))


def read_index(path: Path) -> LayerIndex | None:
    """Read where the layers lie in an archive; a compressed one is unpacked for it.

    Args:
        path: the archive.

    Returns:
        The index; None if the archive is not what `docker save` writes.

    Raises:
        OSError: it cannot be read.
    """
    builder, documents = IndexBuilder(), dict[str, bytes]()
    try:
        with path.open("rb") as content:
            opened = decompress(content)
            source: Any = opened or content
            mode: Any = "r|" if opened else "r:"
            with tarfile.open(fileobj=source, mode=mode, bufsize=BLOCK_BYTES) as tar:
                for member in tar:
                    name = posixpath.normpath(member.name)
                    builder.add(member, name)
                    if member.isreg() and member.size < MAX_DOCUMENT_BYTES:
                        stream = tar.extractfile(member)
                        documents[name] = stream.read() if stream else b""
                    if sum(map(len, documents.values())) > MAX_DOCUMENTS_BYTES:
                        return None
    except ARCHIVE_ERRORS as error:
        if isinstance(error, OSError) and error.errno:
            raise
        return None
    return builder.build(documents, is_compressed=opened is not None)


def decompress(content: BinaryIO) -> Any:
    """Return the unpacked content of an archive; None if it is not compressed.

    Args:
        content: the archive, at its beginning.
    """
    begin = content.read(8)
    content.seek(0)
    found = find_decompressor(begin)
    return found(content) if found else None


def cache_folder() -> Path:
    """Return the folder of the cache that has indexes and archives of layers."""
    return cache.index_path().with_name("layers")


def _index_path(sha: str) -> Path:
    return cache_folder() / f"{sha}.json"


def save_index(sha: str, index: LayerIndex) -> None:
    """Cache the index of an archive.

    Args:
        sha: SHA-256 of the archive.
        index: where its layers lie.
    """
    document = json.dumps({**asdict(index), "config": index.config.decode("latin-1")})
    seal = hashlib.sha256(document.encode()).hexdigest()
    with suppress(OSError):  # without a cache the next run only takes longer
        atomic_write.replace_file(_index_path(sha), f"{document}\n{seal}\n")


def load_index(sha: str) -> LayerIndex | None:
    """Return the cached index of an archive; None if there is none.

    Args:
        sha: SHA-256 of the archive.
    """
    with suppress(OSError, ValueError, LookupError, TypeError):
        document, seal = _index_path(sha).read_text().splitlines()
        if hashlib.sha256(document.encode()).hexdigest() == seal:
            fields = json.loads(document)
            return LayerIndex(
                config=fields["config"].encode("latin-1"),
                tags=tuple(fields["tags"]),
                layers=tuple(ArchivedLayer(**layer) for layer in fields["layers"]),
                is_compressed=fields["is_compressed"],
            )
    return None


def find_index(path: Path, sha: str, *, unpack: bool = False) -> LayerIndex | None:
    """Return the index of an archive, if that costs little: it is cached, or a few reads suffice.

    Args:
        path: the archive.
        sha: its SHA-256 in the lock file.
        unpack: whether it may be unpacked, which takes a minute for 10 GB.

    Returns:
        The index; None if it would cost more, or the archive is not docker's.

    Raises:
        OSError: the archive cannot be read.
    """
    if found := load_index(sha):
        return found
    with path.open("rb") as content:
        if decompress(content) and not unpack:
            return None
    if index := read_index(path):
        save_index(sha, index)
    return index
