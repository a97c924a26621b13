"""The torrent of one large file; its pieces are the chunks of :mod:`fleet.checksum.chunks`.

That is why SSH can resume whatever a swarm leaves unfinished. Torrents are cached under the
SHA-256 of the file. A damaged cache entry can cost time but never deliver a wrong file, because
hosts verify the SHA-256.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet.checksum import cache, chunks
from fleet.documents import atomic_write
from fleet.language import _


def cache_path(sha: str) -> Path:
    """Return where the torrent of a file is cached.

    Args:
        sha: SHA-256 of the file.
    """
    return cache.index_path().with_name("torrents") / f"{sha}.{chunks.CHUNK_BYTES}"


def decode_bencode(data: bytes) -> Any:
    """Decode bencoded data.

    Args:
        data: The encoded data.

    Returns:
        The value; strings are bytes.

    Raises:
        RuntimeError: The data is not bencoded.
    """
    import libtorrent as lt

    return lt.bdecode(data)


def encode_bencode(value: Any) -> bytes:
    """Encode a value as bencode.

    Args:
        value: Dictionaries, lists, integers and bytes.

    Returns:
        The encoded data.
    """
    import libtorrent as lt

    return bytes(lt.bencode(value))


def compute_infohash(torrent: bytes) -> bytes:
    """Compute the infohash, which identifies a swarm.

    Args:
        torrent: The content of a torrent file.

    Returns:
        20 bytes.
    """
    return hashlib.sha1(encode_bencode(decode_bencode(torrent)[b"info"])).digest()


def load_or_create(path: Path, sha: str) -> bytes:
    """Return the torrent of a file, which is only read if the torrent is not cached.

    Args:
        path: The file.
        sha: Its SHA-256 in the lock file; also its name in the torrent.

    Returns:
        The content of a torrent file.

    Raises:
        OSError: The file cannot be read, or does not match the lock file.
    """
    with suppress(OSError):
        return cache_path(sha).read_bytes()
    torrent = _create_torrent(path, sha)
    with suppress(OSError):  # without a cache the next run only takes longer
        atomic_write.replace_file(cache_path(sha), torrent)
        cache.prune_folder(cache_path(sha).parent)
    return torrent


def _create_torrent(path: Path, sha: str) -> bytes:
    import libtorrent as lt

    hashes: list[Any] = []
    size = 0

    def add_block(block: bytes) -> None:
        nonlocal size
        if size % chunks.CHUNK_BYTES == 0:  # a chunk consists of whole blocks
            hashes.append(hashlib.sha1())
        hashes[-1].update(block)
        size += len(block)

    actual, _chunks = chunks.hash_file(path, add_block)
    if actual != sha:
        raise OSError(_("{path} has changed since it was checked", path=path))
    torrent = lt.create_torrent(
        [lt.create_file_entry(sha, size)], chunks.CHUNK_BYTES, lt.create_torrent.v1_only
    )
    for index, piece in enumerate(hashes):
        torrent.set_hash(index, piece.digest())
    content: Any = torrent.generate()
    content.pop(b"creation date", None)  # equal files have equal torrents
    return encode_bencode(content)
