"""The torrent of one large file, as BEP 3 describes it.

Torrents are cached under the SHA-256 of the file. A damaged cache entry can cost time but never
deliver a wrong file, because hosts verify the SHA-256.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet.checksum import cache, chunks
from fleet.documents import atomic_write
from fleet.language import _

#: Size of a piece: small, so that a host soon has one to give to others, and as large as a chunk:
#: SSH sends again only those pieces that were not complete when a host left its swarm.
PIECE_BYTES = chunks.CHUNK_BYTES
#: Pieces of a file at most: its torrent has 20 bytes for each, and each host gets the torrent.
MAX_PIECES = 1 << 14
_BEGIN, _END = b"d4:info", b"e"


def find_piece_bytes(size: int) -> int:
    """Return the size of the pieces of a file.

    Args:
        size: Size of the file in bytes.
    """
    piece_bytes = PIECE_BYTES
    while size > MAX_PIECES * piece_bytes:
        piece_bytes *= 2
    return piece_bytes


def cache_path(sha: str) -> Path:
    """Return where the torrent of a file is cached.

    Args:
        sha: SHA-256 of the file.
    """
    return cache.index_path().with_name("torrents") / f"{sha}.{PIECE_BYTES}"


def encode_bencode(value: Any) -> bytes:
    """Encode a value as bencode.

    Args:
        value: Dictionaries, integers and bytes.

    Returns:
        The encoded data.
    """
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, int):
        return b"i%de" % value
    parts = (encode_bencode(one) for key in sorted(value) for one in (key, value[key]))
    return b"d" + b"".join(parts) + b"e"


def compute_infohash(torrent: bytes) -> bytes:
    """Compute the infohash, which identifies a swarm.

    Args:
        torrent: A torrent of :func:`load_or_create`.

    Returns:
        20 bytes.
    """
    return hashlib.sha1(torrent[len(_BEGIN) : -len(_END)]).digest()


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
    piece_bytes = find_piece_bytes(path.stat().st_size)
    hashes: list[Any] = []
    size = 0

    def add_block(block: bytes) -> None:
        nonlocal size
        if size % piece_bytes == 0:  # a piece consists of whole blocks
            hashes.append(hashlib.sha1())
        hashes[-1].update(block)
        size += len(block)

    actual, checksums = chunks.hash_file(path, add_block)
    if actual != sha:
        raise OSError(_("{path} has changed since it was checked", path=path))
    if size > chunks.CHUNK_BYTES:  # a host that leaves the swarm needs them
        chunks.save_cached(sha, checksums)
    info = {
        b"length": size,
        b"name": sha.encode(),
        b"piece length": piece_bytes,
        b"pieces": b"".join(piece.digest() for piece in hashes),
    }
    return _BEGIN + encode_bencode(info) + _END
