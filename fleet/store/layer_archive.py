"""An archive of an image with only some of its layers, for hosts that have the others.

`docker load` looks up the chain id of a layer before it opens the layer's file (`tarexport/load.go`
of moby, from 1.10 to 29; not with containerd's image store). An archive without the layers that a
host has is therefore enough. What it brings is proved by the image's id, which covers the diff ids
of all layers: docker computes that of each layer that it unpacks.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from fleet.checksum import cache, chunks
from fleet.language import _
from fleet.store.image_layers import BLOCK_BYTES, DECOMPRESSORS, ZSTD_MAGIC
from fleet.store.layer_index import ArchivedLayer, LayerIndex, cache_folder, decompress

#: archives of layers in the cache are deleted after this time; they can be written again
MAX_AGE_S = 7 * 24 * 3600
#: bytes that stay free on the controller's disk
RESERVED_BYTES = 1 << 30
#: a layer of a compressed archive is compressed again, at the speed of a network
GZIP_LEVEL, GZIP_WINDOW_BITS = 1, 31
TAR_BLOCK_BYTES = 512


def write_archive(path: Path, sha: str, index: LayerIndex, present: int) -> tuple[Path, str]:
    """Write an archive with the layers that a host lacks, unless it is in the cache.

    Equal calls write equal bytes. The archive is plain; if the whole one is compressed, each layer
    is, which docker unpacks as well, and of which it writes less to its disk before.

    Args:
        path: the whole archive.
        sha: its SHA-256.
        index: where its layers lie.
        present: layers that the host has, from the lowest.

    Returns:
        The archive and its SHA-256.

    Raises:
        OSError: it cannot be written, or the disk would be full.
        ValueError: the whole archive is not what the index says.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.tar*"):
        if time.time() - file.stat().st_mtime > MAX_AGE_S:
            file.unlink(missing_ok=True)
    target = folder / f"{sha}.{present}.tar"
    if not target.exists():
        _check_space(folder, index.missing_bytes(present))
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f"{target.name}.") as part:
            with path.open("rb") as content:
                _write_members(content, part.file, index, present)
            part.flush()
            with suppress(FileExistsError):  # another run was quicker
                os.link(part.name, target)
    return target, cache.compute_checksums([target], _hash_file)[target]


def _hash_file(path: Path) -> str:
    """Compute the SHA-256 of a file, and cache those of its chunks."""
    found, checksums = chunks.hash_file(path, lambda _block: None)
    if path.stat().st_size > chunks.CHUNK_BYTES:
        chunks.save_cached(found, checksums)
    return found


def _check_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + RESERVED_BYTES:
        raise OSError(
            _(
                "{folder} has {free:,} bytes free, {needed:,} are needed",
                folder=folder,
                free=free,
                needed=size + RESERVED_BYTES,
            )
        )


def _write_members(content: BinaryIO, target: Any, index: LayerIndex, present: int) -> None:
    """Write configuration, manifest.json and the missing layers as one tar archive."""
    config = f"{index.image_id.removeprefix('sha256:')}.json"
    names = [_layer_name(layer) for layer in index.layers]
    entry = {"Config": config, "RepoTags": list(index.tags), "Layers": names}
    for name, document in ((config, index.config), ("manifest.json", json.dumps([entry]).encode())):
        _write_member(target, name, iter([document]))
    source, position = decompress(content) or content, 0
    for layer in index.list_missing(present):
        if source is content:
            content.seek(layer.begin)
        else:
            for _block in _read_blocks(source, layer.begin - position):
                pass
        position = layer.begin + layer.size
        blocks = _read_blocks(source, layer.size)
        if index.is_compressed:
            blocks = _compress_blocks(blocks)
        _write_member(target, _layer_name(layer), blocks)
    target.write(bytes(2 * TAR_BLOCK_BYTES))


def _layer_name(layer: ArchivedLayer) -> str:
    return f"{layer.diff_id.removeprefix('sha256:')}/layer.tar"


def _read_blocks(source: Any, size: int) -> Iterator[bytes]:
    while size:
        block = source.read(min(BLOCK_BYTES, size))
        if not block:
            raise ValueError("the archive ends before its layers do")
        size -= len(block)
        yield block


def _compress_blocks(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Compress a layer; one that is compressed already stays as it is."""
    first = next(blocks, b"")
    if first.startswith((*DECOMPRESSORS, ZSTD_MAGIC)):
        yield first
        yield from blocks
        return
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW_BITS)
    yield compressor.compress(first)
    yield from map(compressor.compress, blocks)
    yield compressor.flush()


def _write_member(target: Any, name: str, blocks: Iterator[bytes]) -> None:
    """Write a file into a tar archive; its size is known afterwards."""
    header = target.tell()
    target.write(bytes(TAR_BLOCK_BYTES))
    for block in blocks:
        target.write(block)
    end = target.tell()
    member = tarfile.TarInfo(name)
    member.size = end - header - TAR_BLOCK_BYTES
    target.seek(header)
    target.write(member.tobuf(tarfile.GNU_FORMAT))
    target.seek(end)
    target.write(bytes(-end % TAR_BLOCK_BYTES))
