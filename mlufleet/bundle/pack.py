"""Contents as one tar: the signed manifest first, then every file, each read once."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from fleet.errors import InvalidInput, Refused
from mlufleet.bundle import manifest, signature
from mlufleet.bundle.contents import Contents


class _Summed:
    """A file's bytes as they go into the tar."""

    def __init__(self, stream: IO[bytes], more: Callable[[int], object]) -> None:
        self._stream, self._more = stream, more
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.sum.update(block)
        self._more(len(block))
        return block


def write(
    contents: Contents, target: Path, key: Path | None, more: Callable[[int], object]
) -> None:
    """Write a bundle, whole or not at all; equal contents give equal bytes before the signature.

    :param key: that signs; None: nobody does
    :raises Refused: a file is not what its lock says
    :raises InvalidInput: something else has the bundle's name
    """
    if os.path.lexists(target) and not _bundle(target):
        raise InvalidInput(f"{target}: is there, and is no bundle: give this one another name")
    # the tool first, then the store: what a site needs to read the rest comes early
    entries = list(contents.entries.values())
    text = manifest.text_of(entries).encode()
    members = [(manifest.NAME, text)]
    if key:
        members.append((manifest.SIGNATURE, signature.sign(text, key)))
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
                tar.addfile(_head(name, len(content)), io.BytesIO(content))
            for entry in entries:
                _add(tar, entry, contents, more)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _bundle(path: Path) -> bool:
    """Whether a file is a bundle, by its first member."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(manifest.NAME) + 1) == manifest.NAME.encode() + b"\0"


def _add(
    tar: tarfile.TarFile, entry: manifest.Entry, contents: Contents, more: Callable[[int], object]
) -> None:
    content = contents.content[entry.name]
    try:
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream:
            summed = _Summed(stream, more)
            size = len(content) if isinstance(content, bytes) else os.fstat(stream.fileno()).st_size
            if size == entry.size:
                tar.addfile(_head(entry.name, entry.size), summed)
    except FileNotFoundError as error:
        raise Refused("FILE_MISSING", f"{content!s}: sha256 {entry.sha256}") from error
    if size != entry.size or summed.sum.hexdigest() != entry.sha256:
        raise Refused("FILE_SPOILT", f"{content!s}")


def _head(name: str, size: int) -> tarfile.TarInfo:
    head = tarfile.TarInfo(name)
    head.size, head.mode = size, 0o644
    return head
