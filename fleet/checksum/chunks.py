"""The sha256 of each 4 MiB of a big file, so that a cut transfer goes on where it was.

Kept by the sha256 of the whole: files with the same bytes have the same pieces.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from fleet.checksum import cache
from fleet.documents import atomic_write

#: also of the torrents: big enough to list, small enough that many hosts have some to give
CHUNK_BYTES = 4 << 20
BLOCK_BYTES = 1 << 20


class ChunkHasher:
    """Sums up a file's pieces as its blocks come by."""

    def __init__(self) -> None:
        self._checksums: list[str] = []
        self._hash, self._left = hashlib.sha256(), CHUNK_BYTES

    def update(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            self._hash.update(view[: self._left])
            took = min(len(view), self._left)
            view, self._left = view[took:], self._left - took
            if not self._left:
                self._finish_chunk()

    def _finish_chunk(self) -> None:
        self._checksums.append(self._hash.hexdigest())
        self._hash, self._left = hashlib.sha256(), CHUNK_BYTES

    def finish(self) -> list[str]:
        if self._left < CHUNK_BYTES:
            self._finish_chunk()
        return self._checksums


class HashingReader:
    """A file's bytes as somebody takes them, summed up meanwhile, whatever is known of it.

    :param each: told of every block
    """

    def __init__(self, content: BinaryIO, on_block: Callable[[bytes], object]) -> None:
        self._content, self._on_block = content, on_block
        self._chunk_hasher, self._file_hash = ChunkHasher(), hashlib.sha256()
        self.size = os.fstat(content.fileno()).st_size

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """:raises OSError: it cannot be read"""
        block = self._content.read(size)
        self._file_hash.update(block)
        if self.size > CHUNK_BYTES:
            self._chunk_hasher.update(block)
        if block:
            self._on_block(block)
        return block

    def finish(self) -> tuple[str, list[str]]:
        """The sha256 of the file and of its pieces, once what is left is read."""
        while self.read():
            pass
        sha = self._file_hash.hexdigest()
        return sha, self._chunk_hasher.finish() if self.size > CHUNK_BYTES else [sha]


def hash_file(path: Path, on_block: Callable[[bytes], object]) -> tuple[str, list[str]]:
    """The sha256 of a file and of its pieces, in one reading.

    :raises OSError: it cannot be read
    """
    with path.open("rb") as content:
        return HashingReader(content, on_block).finish()


def _cache_file(sha: str) -> Path:
    return cache.index_path().with_name("pieces") / f"{sha}.{CHUNK_BYTES}"


def _add_seal(text: str) -> str:
    return text + hashlib.sha256(text.encode()).hexdigest() + "\n"


def load_cached(sha: str) -> list[str]:
    """The pieces of a file that was read before; none when they are not known."""
    with suppress(OSError, ValueError):
        *sums, seal = _cache_file(sha).read_text().splitlines()
        if _add_seal("".join(f"{one}\n" for one in sums)).endswith(f"{seal}\n"):
            return sums
    return []


def save_cached(sha: str, checksums: list[str]) -> None:
    with suppress(OSError):  # a run that cannot keep them only costs the next one its time
        atomic_write.replace_file(
            _cache_file(sha), _add_seal("".join(f"{one}\n" for one in checksums))
        )
        cache.prune_folder(_cache_file(sha).parent)


def load_or_compute(path: Path, sha: str, size: int) -> list[str]:
    """The sums of a file's pieces; it is read only when nobody knows them.

    :raises ValueError: it is not what the lock says
    """
    if size <= CHUNK_BYTES:
        return [sha]
    if sums := load_cached(sha):
        return sums
    found, sums = hash_file(path, lambda _: None)
    if found != sha:
        raise ValueError(f"{path} has changed since it was checked")
    save_cached(sha, sums)
    return sums


def missing_ranges(received: int, bad_chunks: Iterable[int], size: int) -> list[tuple[int, int]]:
    """(begin, end) in bytes of what is still to send.

    :param have: bytes there, up to the end of the last right piece
    :param wrong: pieces before that which are not right
    """
    found: list[tuple[int, int]] = []
    missing = [
        (i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)
        for i in sorted(set(bad_chunks))
        if (i + 1) * CHUNK_BYTES <= received
    ]
    for begin, end in [*missing, *([(received, size)] if received < size else [])]:
        if found and found[-1][1] == begin:
            begin = found.pop()[0]
        found.append((begin, end))
    return found
