"""SHA-256 of each 1 MiB chunk of a large file, so that interrupted transfers can resume.

The chunk checksums are cached under the SHA-256 of the whole file: equal files have equal chunks.
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

#: Also the smallest piece of a torrent: when a host leaves a swarm, the pieces that it has are
#: scattered, and a chunk of several pieces would be sent whole if one of them were missing.
CHUNK_BYTES = 1 << 20
#: Size of one read.
BLOCK_BYTES = 1 << 20


class ChunkHasher:
    """Computes the checksums of chunks from consecutive blocks of any size."""

    def __init__(self) -> None:
        self._checksums: list[str] = []
        self._hash, self._remaining = hashlib.sha256(), CHUNK_BYTES

    def update(self, block: bytes) -> None:
        """Add the next block.

        Args:
            block: Bytes that follow those of the last call.
        """
        view = memoryview(block)
        while view:
            self._hash.update(view[: self._remaining])
            used = min(len(view), self._remaining)
            view, self._remaining = view[used:], self._remaining - used
            if not self._remaining:
                self._finish_chunk()

    def _finish_chunk(self) -> None:
        self._checksums.append(self._hash.hexdigest())
        self._hash, self._remaining = hashlib.sha256(), CHUNK_BYTES

    def finish(self) -> list[str]:
        """Return the checksums of all chunks; the last chunk may be shorter."""
        if self._remaining < CHUNK_BYTES:
            self._finish_chunk()
        return self._checksums


class HashingReader:
    """A file object that computes checksums of everything that is read through it.

    Attributes:
        size: Size of the file in bytes.
    """

    def __init__(self, content: BinaryIO, on_block: Callable[[bytes], object]) -> None:
        """Wrap an open file.

        Args:
            content: The file, at its beginning.
            on_block: Called with every block that is read, for example to show progress.
        """
        self._content, self._on_block = content, on_block
        self._chunk_hasher, self._file_hash = ChunkHasher(), hashlib.sha256()
        self.size = os.fstat(content.fileno()).st_size

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Read the next block.

        Args:
            size: Maximum number of bytes.

        Returns:
            The block; b"" at the end of the file.

        Raises:
            OSError: The file cannot be read.
        """
        block = self._content.read(size)
        self._file_hash.update(block)
        if self.size > CHUNK_BYTES:
            self._chunk_hasher.update(block)
        if block:
            self._on_block(block)
        return block

    def finish(self) -> tuple[str, list[str]]:
        """Read the rest of the file.

        Returns:
            The SHA-256 of the file, and those of its chunks.

        Raises:
            OSError: The file cannot be read.
        """
        while self.read():
            pass
        sha = self._file_hash.hexdigest()
        return sha, self._chunk_hasher.finish() if self.size > CHUNK_BYTES else [sha]


def hash_file(path: Path, on_block: Callable[[bytes], object]) -> tuple[str, list[str]]:
    """Compute the checksums of a file in one pass.

    Args:
        path: The file.
        on_block: Called with every block that is read.

    Returns:
        The SHA-256 of the file, and those of its chunks.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as content:
        return HashingReader(content, on_block).finish()


def _cache_file(sha: str) -> Path:
    return cache.index_path().with_name("pieces") / f"{sha}.{CHUNK_BYTES}"


def _add_seal(text: str) -> str:
    """Append the text's own checksum, which detects a damaged cache file."""
    return text + hashlib.sha256(text.encode()).hexdigest() + "\n"


def load_cached(sha: str) -> list[str]:
    """Load the chunk checksums of a file that was read before.

    Args:
        sha: SHA-256 of the file.

    Returns:
        The checksums; empty if they are not cached.
    """
    with suppress(OSError, ValueError):
        *checksums, seal = _cache_file(sha).read_text().splitlines()
        if _add_seal("".join(f"{line}\n" for line in checksums)).endswith(f"{seal}\n"):
            return checksums
    return []


def save_cached(sha: str, checksums: list[str]) -> None:
    """Cache the chunk checksums of a file, and delete old cache files.

    Args:
        sha: SHA-256 of the file.
        checksums: SHA-256 of each chunk.
    """
    with suppress(OSError):  # without a cache the next run only takes longer
        text = "".join(f"{line}\n" for line in checksums)
        atomic_write.replace_file(_cache_file(sha), _add_seal(text))
        cache.prune_folder(_cache_file(sha).parent)


def load_or_compute(path: Path, sha: str, size: int) -> list[str]:
    """Return the chunk checksums of a file, which is only read if they are not cached.

    Args:
        path: The file.
        sha: Its SHA-256 in the lock file.
        size: Its size in bytes.

    Returns:
        The checksum of each chunk.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file does not match the lock file.
    """
    if size <= CHUNK_BYTES:
        return [sha]
    if cached := load_cached(sha):
        return cached
    actual, checksums = hash_file(path, lambda _: None)
    if actual != sha:
        raise ValueError(f"{path} has changed since it was checked")
    save_cached(sha, checksums)
    return checksums


def missing_ranges(received: int, bad_chunks: Iterable[int], size: int) -> list[tuple[int, int]]:
    """Compute which byte ranges of a file still have to be sent.

    Args:
        received: Number of bytes at the destination, up to the end of the last valid chunk.
        bad_chunks: Indexes of invalid chunks before that.
        size: Size of the file in bytes.

    Returns:
        (begin, end) of each range in ascending order; adjacent ranges are merged.
    """
    ranges: list[tuple[int, int]] = []
    bad = [(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES) for i in sorted(set(bad_chunks))]
    inside = [(begin, end) for begin, end in bad if end <= received]
    rest = [(received, size)] if received < size else []
    for begin, end in [*inside, *rest]:
        if ranges and ranges[-1][1] == begin:
            begin = ranges.pop()[0]
        ranges.append((begin, end))
    return ranges
