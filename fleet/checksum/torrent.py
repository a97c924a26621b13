"""The torrent of one big file: its pieces are those of :mod:`fleet.checksum.chunks`.

So whatever a swarm leaves of a file that it did not end, SSH can go on from. Kept by the sha256 of
the whole; one that was damaged there can cost time, never bring a wrong file to a host.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleet.checksum import cache, chunks
from fleet.documents import atomic_write


def cache_path(sha: str) -> Path:
    """Where the torrent of a file stays."""
    return cache.index_path().with_name("torrents") / f"{sha}.{chunks.CHUNK_BYTES}"


def decode_bencode(data: bytes) -> Any:
    """:raises RuntimeError: it is not bencoded"""
    import libtorrent as lt

    return lt.bdecode(data)


def encode_bencode(value: Any) -> bytes:
    import libtorrent as lt

    return bytes(lt.bencode(value))


def compute_infohash(torrent: bytes) -> bytes:
    """What a swarm is known by."""
    return hashlib.sha1(encode_bencode(decode_bencode(torrent)[b"info"])).digest()


def load_or_create(path: Path, sha: str) -> bytes:
    """The torrent of a file, which is called its sha256 there; it is read only when nobody has
    the torrent yet.

    :raises OSError: the file cannot be read, or is not what the lock says
    """
    with suppress(OSError):
        return cache_path(sha).read_bytes()
    made = _create_torrent(path, sha)
    with suppress(OSError):  # a run that cannot keep it only costs the next one its time
        atomic_write.replace_file(cache_path(sha), made)
        cache.prune_folder(cache_path(sha).parent)
    return made


def _create_torrent(path: Path, sha: str) -> bytes:
    import libtorrent as lt

    sums: list[Any] = []
    size = 0

    def each(block: bytes) -> None:
        nonlocal size
        if size % chunks.CHUNK_BYTES == 0:  # blocks are a whole part of a piece
            sums.append(hashlib.sha1())
        sums[-1].update(block)
        size += len(block)

    found, _ = chunks.hash_file(path, each)
    if found != sha:
        raise OSError(f"{path} has changed since it was checked")
    torrent = lt.create_torrent(
        [lt.create_file_entry(sha, size)], chunks.CHUNK_BYTES, lt.create_torrent.v1_only
    )
    for index, part in enumerate(sums):
        torrent.set_hash(index, part.digest())
    made: Any = torrent.generate()
    made.pop(b"creation date", None)
    return encode_bencode(made)
