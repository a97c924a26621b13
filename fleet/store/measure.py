"""Measure the files of a store, and check them against a lock file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.checksum import cache, chunks
from fleet.documents import loading
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.release.lockfile import Lock, LockedFile
from fleet.release.model import Image, Release
from fleet.store import checksum_files, file_types, image_archive, layer_index
from fleet.store.contents import StoreContents

if TYPE_CHECKING:
    from fleet.registry.image import RegistryImage


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
        raise InvalidInput(
            _("{path}: cannot be read: {reason}", path=path, reason=error.strerror)
        ) from error
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
    except image_archive.ImageArchiveError as error:
        raise InvalidInput(
            _("{path}: not a Docker image archive: {error}", path=path, error=error)
        ) from error
    return found


@dataclass(frozen=True)
class MeasuredStore:
    """The files of a release, every byte of which was read.

    Attributes:
        files: each file by its path below the store.
        image: the image in the release's archive or registry.
        contents: the files by what they are used as.
        registry_image: the image of a release without an archive.
    """

    files: dict[str, LockedFile]
    image: image_archive.Image
    contents: StoreContents
    registry_image: RegistryImage | None = None


def measure_store(
    contents: StoreContents,
    progress: Callable[[str], None],
    registry_image: RegistryImage | None = None,
) -> MeasuredStore:
    """Read all files of a release in the store.

    Args:
        contents: The files.
        progress: Called with the name of each file before it is read.
        registry_image: The image of a release without an archive.

    Returns:
        Sizes and checksums of the files, and what they are.

    Raises:
        InvalidInput: A file is not what the release expects.
    """
    store, image = contents.store, contents.release.image
    files: dict[str, LockedFile] = {}
    images = [_describe_image(registry_image)] if registry_image else []

    def measure(path: Path) -> str:
        name = str(path.relative_to(store))
        progress(name)

        def inspect_image(reader: chunks.HashingReader) -> None:
            images.append(_read_image(path, reader, image))

        files[name] = measure_file(path, inspect_image if name == image.file else None)
        return files[name].sha256

    cache.compute_checksums([store / name for name in contents.names], measure, force=True)
    contents.check_image(images[0])
    if image.file and (index := images[0].layer_index):
        layer_index.save_index(files[image.file].sha256, index)
    return MeasuredStore(files, images[0], contents, registry_image)


def _describe_image(image: RegistryImage) -> image_archive.Image:
    """Return what a registry's image says of itself, as an archive's does."""
    return image_archive.Image(id=image.id, labels=image.labels, architecture=image.architecture)


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
        problems.append(
            _("the release has changed since it was locked: run `mlufleet release lock`")
        )
    expected = {}
    for name, locked in lock.files.items():
        path = store / name
        if not loading.is_file(path):
            problems.append(_("{path}: missing", path=path))
        elif (size := path.stat().st_size) != locked.size:
            problems.append(_describe_size(path, size, locked.size))
        else:
            expected[path] = locked.sha256
    actual = cache.compute_checksums(
        list(expected), lambda path: measure_file(path).sha256, force=full
    )
    problems += [
        _("{path}: its SHA-256 is not {sha256}, which the lock file states", path=path, sha256=sha)
        for path, sha in expected.items()
        if actual[path] != sha
    ]
    return problems


def _describe_size(path: Path, size: int, expected: int) -> str:
    return _(
        "{path}: {size} bytes, expected {expected} according to the lock file",
        path=path,
        size=size,
        expected=expected,
    )
