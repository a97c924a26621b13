"""Contents as one tar: the signed manifest first, then every file, each read once."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from fleet.errors import CodedInputError, InvalidInput
from mlufleet.bundle import manifest, signature
from mlufleet.bundle.contents import BundleContents


class _HashingReader:
    """A file's bytes as they go into the tar."""

    def __init__(self, stream: IO[bytes], more: Callable[[int], object]) -> None:
        self._stream, self._on_bytes = stream, more
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.digest.update(block)
        self._on_bytes(len(block))
        return block


def write_bundle(
    contents: BundleContents, target: Path, key: Path | None, on_bytes: Callable[[int], object]
) -> None:
    """Write a bundle, whole or not at all; equal contents give equal bytes before the signature.

    :param key: that signs; None: nobody does
    :raises Refused: a file is not what its lock says
    :raises InvalidInput: something else has the bundle's name
    """
    if os.path.lexists(target) and not _is_bundle(target):
        raise InvalidInput(f"{target}: is there, and is no bundle: give this one another name")
    # the tool first, then the store: what a site needs to read the rest comes early
    entries = list(contents.entries.values())
    text = manifest.render_entries(entries).encode()
    members = [(manifest.MANIFEST_NAME, text)]
    if key:
        members.append((manifest.SIGNATURE_NAME, signature.sign_content(text, key)))
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        stream = part.open("xb")
    except OSError as error:
        raise InvalidInput(f"{part}: cannot be made: {error.strerror}") from error
    try:
        with (
            stream,
            tarfile.open(
                fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT, bufsize=1 << 20
            ) as tar,
        ):
            for name, content in members:
                tar.addfile(_make_header(name, len(content)), io.BytesIO(content))
            for entry in entries:
                _add_entry(tar, entry, contents, on_bytes)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _is_bundle(path: Path) -> bool:
    """Whether a file is a bundle, by its first member."""
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
    more: Callable[[int], object],
) -> None:
    content = contents.content[entry.name]
    try:
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream:
            summed = _HashingReader(stream, more)
            size = len(content) if isinstance(content, bytes) else os.fstat(stream.fileno()).st_size
            if size == entry.size:
                tar.addfile(_make_header(entry.name, entry.size), summed)
    except FileNotFoundError as error:
        raise CodedInputError("FILE_MISSING", f"{content!s}: sha256 {entry.sha256}") from error
    if size != entry.size or summed.digest.hexdigest() != entry.sha256:
        raise CodedInputError("CHECKSUM_MISMATCH", f"{content!s}")


def _make_header(name: str, size: int) -> tarfile.TarInfo:
    head = tarfile.TarInfo(name)
    head.size, head.mode = size, 0o644
    return head
