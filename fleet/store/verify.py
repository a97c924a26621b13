"""Compare every byte of a store with the locks of its releases."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.checksum import chunks
from fleet.documents import loading
from fleet.errors import Failure
from fleet.language import _
from fleet.release.lockfile import LockedFile
from fleet.store.progress_bar import ProgressBar
from fleet.store.required_files import StoreFile

#: files that are read in parallel: hashlib releases the interpreter, and disks prefer a queue
PARALLEL_READS = min(8, (os.cpu_count() or 1) + 1)


@dataclass(frozen=True)
class FileProblem:
    """A file of the store that is missing or wrong.

    Attributes:
        name: path below the store.
        failure: failure code and detail.
    """

    name: str
    failure: Failure


def check_file(path: Path, locked: LockedFile, on_bytes: Callable[[int], object]) -> Failure | None:
    """Compare a file with its lock.

    Args:
        path: the file.
        locked: its size and checksum according to the lock.
        on_bytes: called with the number of bytes that were read or need not be read.

    Returns:
        The failure, or None if the file matches.
    """
    if not loading.is_file(path):
        on_bytes(locked.size)
        return Failure(
            "FILE_MISSING",
            _("sha256 {sha256}, {size} bytes", sha256=locked.sha256, size=locked.size),
        )
    try:
        size = path.stat().st_size
        if size != locked.size:
            on_bytes(locked.size)
            return Failure(
                "CHECKSUM_MISMATCH",
                _("{size} bytes, the lock has {expected}", size=size, expected=locked.size),
            )
        sha256, checksums = chunks.hash_file(path, lambda block: on_bytes(len(block)))
    except OSError as error:
        return Failure("CHECKSUM_MISMATCH", _("cannot be read: {reason}", reason=error.strerror))
    if sha256 == locked.sha256:
        if size > chunks.CHUNK_BYTES:
            chunks.save_cached(sha256, checksums)
        return None
    detail = _(
        "sha256 is {sha256}, the lock has {expected}{difference}",
        sha256=sha256,
        expected=locked.sha256,
        difference=_describe_difference(checksums, chunks.load_cached(locked.sha256)),
    )
    return Failure("CHECKSUM_MISMATCH", detail)


def _describe_difference(actual: list[str], expected: list[str]) -> str:
    """Name the first chunk that differs, if the expected chunks are in the cache."""
    with suppress(StopIteration, ValueError):
        pairs = enumerate(zip(actual, expected, strict=True))
        first = next(index for index, (left, right) in pairs if left != right)
        return _(
            "; the first difference is at or after byte {byte}", byte=first * chunks.CHUNK_BYTES
        )
    return ""


def verify_files(files: list[StoreFile], store: Path, progress: ProgressBar) -> list[FileProblem]:
    """Compare files of a store with their locks, several at once and the largest first.

    Args:
        files: files that the store should have.
        store: folder of the store.
        progress: shows compared bytes.

    Returns:
        The files that are missing or wrong, in the order of `files`.
    """

    def verify(file: StoreFile) -> tuple[str, Failure | None]:
        failure = check_file(store / file.name, file.locked, progress.advance)
        result = failure.code if failure else "ok"
        progress.file_done(file.name, file.locked.size, result, ok=not failure)
        return file.name, failure

    largest_first = sorted(files, key=lambda file: -file.locked.size)
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        failures = dict(pool.map(verify, largest_first))
    return [FileProblem(f.name, failure) for f in files if (failure := failures[f.name])]
