"""Create a lock file from the store, and check the store against one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleet.checksum import cache, chunks
from fleet.documents import loading
from fleet.errors import InvalidInput
from fleet.release.lockfile import Lock, LockedFile, LockedImage
from fleet.release.model import Image, Release
from fleet.store import checksum_files, file_types, git_repositories, image_archive
from fleet.store.contents import StoreContents


def _ignore(line: str) -> None:
    """Drop a message."""


def measure_file(
    path: Path, inspect: Callable[[chunks.HashingReader], object] | None = None
) -> LockedFile:
    """Determine size and SHA-256 of a file, and compare it with checksum files next to it.

    Args:
        path: The file.
        inspect: Reads parts of the file through the reader first, so that the file is read only
            once.

    Returns:
        The entry for a lock file.

    Raises:
        InvalidInput: The file cannot be read, or a checksum file contradicts it.
    """
    published = checksum_files.ChecksumComparison(path)
    try:
        with path.open("rb") as content:
            reader = chunks.HashingReader(content, published.update)
            if inspect:
                inspect(reader)
            sha, checksums = reader.finish()
            size = content.tell()
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}") from error
    published.verify()
    if size > chunks.CHUNK_BYTES:
        chunks.save_cached(sha, checksums)
    return LockedFile(sha256=sha, size=size)


def _read_image(path: Path, reader: chunks.HashingReader, image: Image) -> image_archive.Image:
    """Read the description of a release's image from its archive."""
    try:
        with path.open("rb") as content:
            head = content.read(file_types.HEAD_BYTES)
        found = image_archive.read_image(reader, reader.size, head, image.python)
        image_archive.check_tag(found, image.reference)
    except image_archive.ImageArchiveError as error:
        raise InvalidInput(f"{path}: not a Docker image archive: {error}") from error
    return found


def create_lock(
    release: Release,
    store: Path,
    progress: Callable[[str], None],
    warn: Callable[[str], None] = _ignore,
) -> Lock:
    """Create the lock of a release by reading all of its files in the store.

    Args:
        release: The release.
        store: Folder of the store.
        progress: Called with the name of each file before it is read.
        warn: Called with one line for each thing that may be wrong.

    Returns:
        The lock.

    Raises:
        InvalidInput: A file is missing or is not what the release expects.
    """
    for weights in release.weights:
        git_repositories.check_weights_commit(weights, store)
    contents = StoreContents(release, store, warn)
    commits = git_repositories.resolve_sources(release, store, warn)
    files: dict[str, LockedFile] = {}
    images: list[image_archive.Image] = []

    def inspect_image(reader: chunks.HashingReader) -> None:
        images.append(_read_image(store / release.image.file, reader, release.image))

    def measure(path: Path) -> str:
        name = str(path.relative_to(store))
        progress(name)
        files[name] = measure_file(path, inspect_image if name == release.image.file else None)
        return files[name].sha256

    cache.compute_checksums([store / name for name in contents.names], measure, force=True)
    image = images[0]
    contents.check_image(image)
    locked = LockedImage(id=image.id, tags=image.tags, labels=image.labels)
    return Lock(release=release.digest, files=files, image=locked, commits=commits)


def check_store(release: Release, lock: Lock, store: Path, *, full: bool = False) -> list[str]:
    """Compare a release, its lock file and the store.

    Args:
        release: The release.
        lock: Its lock file.
        store: Folder of the store.
        full: Whether to read every file; otherwise only files that have changed since they were
            last read.

    Returns:
        One message per problem.

    Raises:
        InvalidInput: A file cannot be read.
    """
    problems = []
    if lock.release != release.digest:
        problems.append("the release has changed since it was locked: run `mlufleet release lock`")
    expected = {}
    for name, locked in lock.files.items():
        path = store / name
        if not loading.is_file(path):
            problems.append(f"{path}: missing")
        elif path.stat().st_size != locked.size:
            problems.append(
                f"{path}: {path.stat().st_size} bytes, expected {locked.size} "
                "according to the lock file"
            )
        else:
            expected[path] = locked.sha256
    actual = cache.compute_checksums(
        list(expected), lambda path: measure_file(path).sha256, force=full
    )
    problems += [
        f"{path}: its SHA-256 is not {sha}, which the lock file states"
        for path, sha in expected.items()
        if actual[path] != sha
    ]
    return problems
