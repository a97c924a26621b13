"""Every byte of a store, read and compared with the locks."""

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
from fleet.release.lockfile import LockedFile
from fleet.store.progress_bar import ProgressBar
from fleet.store.required_files import StoreFile

#: files read at once: hashlib leaves the interpreter to others, disks like a queue
PARALLEL_READS = min(8, (os.cpu_count() or 1) + 1)


@dataclass(frozen=True)
class FileProblem:
    name: str
    failure: Failure


def check_file(path: Path, locked: LockedFile, on_bytes: Callable[[int], object]) -> Failure | None:
    """What is wrong with a file; None when it is the lock's."""
    if not loading.is_file(path):
        on_bytes(locked.size)
        return Failure("FILE_MISSING", f"sha256 {locked.sha256}, {locked.size} bytes")
    try:
        size = path.stat().st_size
        if size != locked.size:
            on_bytes(locked.size)
            return Failure("FILE_SPOILT", f"{size} bytes, the lock says {locked.size}")
        sha, parts = chunks.hash_file(path, lambda block: on_bytes(len(block)))
    except OSError as error:
        return Failure("FILE_SPOILT", f"cannot be read: {error.strerror}")
    if sha == locked.sha256:
        if size > chunks.CHUNK_BYTES:
            chunks.save_cached(sha, parts)
        return None
    return Failure(
        "FILE_SPOILT",
        f"sha256 is {sha}, the lock says {locked.sha256}"
        + _describe_difference(parts, chunks.load_cached(locked.sha256)),
    )


def _describe_difference(parts: list[str], right: list[str]) -> str:
    """The first bytes that differ, where the pieces of the right file are known."""
    with suppress(StopIteration, ValueError):
        pairs = enumerate(zip(parts, right, strict=True))
        first = next(i for i, (one, other) in pairs if one != other)
        return f"; it differs from byte {first * chunks.CHUNK_BYTES} on at the earliest"
    return ""


def verify_files(files: list[StoreFile], store: Path, progress: ProgressBar) -> list[FileProblem]:
    """What is wrong in a store, in the order of the files. The largest are begun first."""

    def one(file: StoreFile) -> tuple[str, Failure | None]:
        failure = check_file(store / file.name, file.locked, progress.advance)
        how = failure.code if failure else "right"
        progress.file_done(file.name, file.locked.size, how, right=not failure)
        return file.name, failure

    largest = sorted(files, key=lambda file: -file.locked.size)
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        found = dict(pool.map(one, largest))
    return [FileProblem(f.name, failure) for f in files if (failure := found[f.name])]
