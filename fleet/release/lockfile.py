"""The lock beside a release: the bytes it means (files, image id, commits)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from fleet.checksum import cache, chunks
from fleet.documents import atomic_write, loading
from fleet.documents.types import Int, Model, Sha256, check_stays_inside, matching
from fleet.errors import InvalidInput
from fleet.release.model import Image, Release
from fleet.store import checksum_files, file_types, git_repositories, image_archive
from fleet.store.contents import StoreContents

#: bytes of a lock, where it is written and where it is read: some 400,000 files
MAX_BYTES = 64 << 20


class LockedFile(Model):
    sha256: Sha256
    size: Annotated[Int, Field(ge=0)]


class LockedImage(Model):
    id: Annotated[str, matching(r"sha256:[0-9a-f]{64}", "an image id: sha256:…")]
    tags: tuple[str, ...]
    #: what the vendor says of it: the driver it needs, its CNToolkit
    labels: dict[str, str] = Field(default_factory=dict)


class Lock(Model):
    """Written by ``mlufleet lock``; a host is compared with it, never with a file's name."""

    release: str
    files: dict[Annotated[str, AfterValidator(check_stays_inside)], LockedFile]
    image: LockedImage
    commits: dict[str, Annotated[str, matching(r"[0-9a-f]{40}([0-9a-f]{24})?", "a full commit")]]

    def files_in(self, folder: str) -> dict[str, LockedFile]:
        """Files in a folder of the store, by their path below it."""
        prefix = folder.rstrip("/") + "/"
        return {k.removeprefix(prefix): v for k, v in self.files.items() if k.startswith(prefix)}


def lock_path(release_file: Path) -> Path:
    return release_file.with_suffix(".lock.json")


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """:raises ValueError: a key is given twice: which one counts would be a guess"""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key in found if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"{twice!r:.80} is given twice")
    return found


def write(lock: Lock, path: Path) -> None:
    """:raises InvalidInput: it is larger than what is read as one, or cannot be written"""
    text = lock.model_dump_json(indent=1) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise InvalidInput(
            f"{path}: {len(lock.files)} files are more than a lock can have: "
            "pack those that belong together, or leave some out"
        )
    try:
        atomic_write.replace_file(path, text)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror or error}") from error


def load(release_file: Path) -> Lock:
    """:raises InvalidInput: there is no lock, or it is not one"""
    path = lock_path(release_file)
    if not loading.is_file(path):
        raise InvalidInput(
            f"{path}: no lock; write it with `mlufleet lock {release_file} --store STORE`"
        )
    try:
        data = json.loads(loading.read_text(path, MAX_BYTES), object_pairs_hook=_reject_duplicates)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: not valid JSON: {error}") from error
    return loading.validate_document(Lock, data, path)


def measure_file(
    path: Path, inspect: Callable[[chunks.HashingReader], object] | None = None
) -> LockedFile:
    """Size in bytes and sha256 of a file, compared with the checksum files beside it.

    :param look: reads some of it itself, so that nobody has to read it twice
    :raises InvalidInput: one of them says otherwise, or cannot be read
    """
    said, size = checksum_files.ChecksumComparison(path), 0

    def each(block: bytes) -> None:
        nonlocal size
        size += len(block)
        said.update(block)

    try:
        with path.open("rb") as content:
            reading = chunks.HashingReader(content, each)
            if inspect:
                inspect(reading)
            sha, parts = reading.finish()
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}") from error
    said.verify()
    if size > chunks.CHUNK_BYTES:
        chunks.save_cached(sha, parts)
    return LockedFile(sha256=sha, size=size)


def read_image(path: Path, reading: chunks.HashingReader, wanted: Image) -> image_archive.Image:
    """What is in the archive of an image.

    :raises InvalidInput: it is no `docker save` archive of the release's image
    """
    try:
        with path.open("rb") as content:
            begin = content.read(file_types.HEAD_BYTES)
        found = image_archive.read_image(reading, reading.size, begin, wanted.python)
        image_archive.check_tag(found, wanted.reference)
    except image_archive.ImageArchiveError as error:
        raise InvalidInput(f"{path}: not a docker image archive: {error}") from error
    return found


def create_lock(
    release: Release,
    store: Path,
    progress: Callable[[str], None],
    warn: Callable[[str], None] = lambda line: None,
) -> Lock:
    """Measure the store for a release.

    :param progress: told of each file before it is read
    :param warn: told in one line of what may be wrong, and may be meant
    :raises InvalidInput: a file is missing or is not what it claims
    """
    for weights in release.weights:
        git_repositories.check_weights_commit(weights, store)
    taken = StoreContents(release, store, warn)
    commits = git_repositories.resolve_sources(release, store, warn)
    files: dict[str, LockedFile] = {}
    found: list[image_archive.Image] = []

    def image(reading: chunks.HashingReader) -> None:
        found.append(read_image(store / release.image.file, reading, release.image))

    def read(path: Path) -> str:
        name = str(path.relative_to(store))
        progress(name)
        files[name] = measure_file(path, image if name == release.image.file else None)
        return files[name].sha256

    cache.compute_checksums([store / name for name in taken.names], read, force=True)
    taken.check_image(found[0])
    locked = LockedImage(id=found[0].id, tags=found[0].tags, labels=found[0].labels)
    return Lock(release=release.digest, files=files, image=locked, commits=commits)


def check_store(release: Release, lock: Lock, store: Path, *, full: bool = False) -> list[str]:
    """What is wrong between release, lock and store; empty when nothing is.

    :param full: read every byte; otherwise only of files that have changed since they were read
    """
    problems = []
    if lock.release != release.digest:
        problems.append("the release has changed since it was locked: run `mlufleet lock`")
    same = {}
    for name, locked in lock.files.items():
        path = store / name
        if not loading.is_file(path):
            problems.append(f"{path}: missing")
        elif path.stat().st_size != locked.size:
            problems.append(f"{path}: {path.stat().st_size} bytes, the lock says {locked.size}")
        else:
            same[path] = locked.sha256
    found = cache.compute_checksums(list(same), lambda path: measure_file(path).sha256, force=full)
    problems += [
        f"{path}: sha256 is not the lock's {sha}"
        for path, sha in same.items()
        if found[path] != sha
    ]
    return problems
