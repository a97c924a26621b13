"""Write a bundle as a tar archive: the signed manifest first, then every file, each read once."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fleet.errors import CodedInputError, InvalidInput
from fleet.language import _
from mlufleet.bundle import manifest, signature
from mlufleet.bundle.contents import BundleContents

BUFFER_BYTES = 1 << 20


class _HashingReader:
    """Computes the checksum of a file while it is copied into the archive."""

    def __init__(self, stream: IO[bytes], on_bytes: Callable[[int], object]) -> None:
        self._stream, self._on_bytes = stream, on_bytes
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.digest.update(block)
        self._on_bytes(len(block))
        return block


def write_bundle(
    contents: BundleContents, target: Path, key: Path | None, on_bytes: Callable[[int], object]
) -> None:
    """Write a bundle completely or not at all.

    Equal contents give equal bytes, apart from the signature.

    Args:
        contents: the files.
        target: file of the bundle; an older bundle is replaced.
        key: SSH key to sign with; None writes an unsigned bundle.
        on_bytes: called with the number of bytes of each packed block.

    Raises:
        CodedInputError: a file is missing, or does not match its checksum.
        InvalidInput: the target exists and is not a bundle, or cannot be written.
    """
    if os.path.lexists(target) and not _is_bundle(target):
        raise InvalidInput(
            _("{target}: exists and is not a bundle: choose another name", target=target)
        )
    # the tool comes before the store, so that it can be read first
    entries = list(contents.entries.values())
    text = manifest.render_entries(entries).encode()
    members = [(manifest.MANIFEST_NAME, text)]
    if key:
        members.append((manifest.SIGNATURE_NAME, signature.sign_content(text, key)))
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    with _open_tar(part) as tar:
        for name, content in members:
            tar.addfile(_make_header(name, len(content)), io.BytesIO(content))
        for entry in entries:
            _add_entry(tar, entry, contents, on_bytes)
    try:
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _open_tar(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a new tar archive that is written in one pass; remove it after an error."""
    try:
        stream = path.open("xb")
    except OSError as error:
        raise InvalidInput(
            _("{path}: cannot be created: {reason}", path=path, reason=error.strerror)
        ) from error
    try:
        with (
            stream,
            tarfile.open(
                fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT, bufsize=BUFFER_BYTES
            ) as tar,
        ):
            yield tar
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _is_bundle(path: Path) -> bool:
    """Tell whether a file is a bundle, by its first member."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return (
            stream.read(len(manifest.MANIFEST_NAME) + 1) == manifest.MANIFEST_NAME.encode() + b"\0"
        )


def _add_entry(
    tar: tarfile.TarFile,
    entry: manifest.BundleEntry,
    contents: BundleContents,
    on_bytes: Callable[[int], object],
) -> None:
    content = contents.content[entry.name]
    try:
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream:
            reader = _HashingReader(stream, on_bytes)
            size = len(content) if isinstance(content, bytes) else os.fstat(stream.fileno()).st_size
            if size == entry.size:
                tar.addfile(_make_header(entry.name, entry.size), reader)
    except FileNotFoundError as error:
        raise CodedInputError(
            "FILE_MISSING", _("{path!s}: sha256 {sha256}", path=content, sha256=entry.sha256)
        ) from error
    if size != entry.size or reader.digest.hexdigest() != entry.sha256:
        raise CodedInputError("CHECKSUM_MISMATCH", f"{content!s}")


def _make_header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    return header
