"""Unpack a bundle. A file gets its name only when it matches the signed manifest."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from fleet.checksum import chunks
from fleet.documents import atomic_write
from fleet.errors import CodedInputError, InvalidInput
from fleet.language import _
from fleet.store import file_types
from mlufleet.bundle import manifest, signature
from mlufleet.bundle.manifest import MANIFEST_NAME, PART_SUFFIX, SIGNATURE_NAME, BundleEntry

CHUNK_BYTES = 1 << 20


class Bundle:
    """An open bundle whose manifest is verified.

    Args:
        tar: the archive, at its beginning.
        signers: file of allowed signers; None skips the check of the signature.

    Attributes:
        manifest_text: bytes of the manifest.
        signature: signature of the manifest; empty if there is none.
        signer: name of the signer; empty if the signature was not checked.
        entries: the files by their path.

    Raises:
        CodedInputError: the manifest is invalid, or not signed by an allowed signer.
    """

    def __init__(self, tar: tarfile.TarFile, signers: Path | None) -> None:
        self._members = _list_regular_members(tar)
        self._tar = tar
        self.manifest_text = self._read_document(next(self._members, None), MANIFEST_NAME)
        self.signature, self._next_member = b"", next(self._members, None)
        if self._next_member and self._next_member.name == SIGNATURE_NAME:
            self.signature = self._read_document(self._next_member, SIGNATURE_NAME)
            self._next_member = next(self._members, None)
        self.signer = ""
        if signers and not self.signature:
            raise CodedInputError("BUNDLE_UNSIGNED")
        if signers:
            self.signer = signature.find_signer(self.manifest_text, self.signature, signers)
        self.entries = {entry.name: entry for entry in manifest.parse_entries(self.manifest_text)}

    def _read_document(self, member: tarfile.TarInfo | None, name: str) -> bytes:
        if member is None:
            raise CodedInputError("BUNDLE_TRUNCATED", _("no {name}", name=name))
        if member.name != name or member.size > manifest.MAX_MANIFEST_BYTES:
            raise CodedInputError(
                "BUNDLE_MEMBER",
                _("{member!r} in the place of {file}", member=member.name, file=name),
            )
        content = self._tar.extractfile(member)
        return content.read() if content else b""

    def extract_files(self, folder: Path, on_bytes: Callable[[int], object]) -> None:
        """Extract all files. After a failure, verified files are kept for another attempt.

        Args:
            folder: target folder, which is created.
            on_bytes: called with the number of bytes of each extracted or compared block.

        Raises:
            CodedInputError: the bundle does not match its manifest, or the folder has other files.
        """
        _check_room(folder, self.entries)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (
            (MANIFEST_NAME, self.manifest_text),
            (SIGNATURE_NAME, self.signature),
        ):
            if content or (folder / name).exists():
                _write_document(folder / name, content)
        left = dict(self.entries)
        while member := self._next_member:
            entry = left.pop(member.name, None)
            if entry is None or member.size != entry.size:
                if entry is None:
                    problem = _("unexpected or duplicate file {member!r}", member=member.name)
                else:
                    problem = _("wrong size of {member!r}", member=member.name)
                raise CodedInputError("BUNDLE_MEMBER", problem)
            _extract_member(self._tar, member, entry, folder, on_bytes)
            self._next_member = next(self._members, None)
        if left:
            raise CodedInputError(
                "BUNDLE_TRUNCATED",
                _("{names} and {count} more", names=next(iter(left)), count=len(left) - 1),
            )


def _list_regular_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield regular files; refuse links, devices, folders and sparse files."""
    for member in tar:
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse:
            raise CodedInputError(
                "BUNDLE_MEMBER", _("{member!r} is not a regular file", member=member.name)
            )
        yield member


def _check_room(folder: Path, entries: dict[str, BundleEntry]) -> None:
    """Check the free space, and that existing files have the expected size."""
    needed = 0
    for name, entry in entries.items():
        path = folder / name
        if not os.path.lexists(path):
            needed += entry.size
        elif path.is_symlink() or not path.is_file() or path.stat().st_size != entry.size:
            raise CodedInputError("BUNDLE_EXISTS", str(path))
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise CodedInputError(
            "NO_SPACE",
            _(
                "{needed} bytes are needed at {folder}, {free} are free",
                needed=needed,
                folder=folder,
                free=free,
            ),
        )


def _hash_file(path: Path, on_bytes: Callable[[int], object]) -> str:
    return chunks.hash_file(path, lambda block: on_bytes(len(block)))[0]


def _write_document(path: Path, content: bytes) -> None:
    if os.path.lexists(path):
        is_regular = path.is_file() and not path.is_symlink()  # reading a FIFO would never end
        if not is_regular or path.read_bytes() != content:
            raise CodedInputError(
                "BUNDLE_EXISTS", _("{path}: another bundle was unpacked here", path=path)
            )
        return
    atomic_write.replace_file(path, content)


def _extract_member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    entry: BundleEntry,
    folder: Path,
    on_bytes: Callable[[int], object],
) -> None:
    path = folder / entry.name
    if os.path.lexists(path):
        if path.is_symlink() or _hash_file(path, on_bytes) != entry.sha256:
            raise CodedInputError("BUNDLE_EXISTS", str(path))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part, digest = path.with_name(path.name + PART_SUFFIX), hashlib.sha256()
    content = tar.extractfile(member)
    if os.path.lexists(part):  # left by an earlier attempt
        if part.is_symlink() or not part.is_file():
            raise CodedInputError("BUNDLE_EXISTS", str(part))
        part.unlink()
    with part.open("xb") as target:
        while content and (block := content.read(CHUNK_BYTES)):
            digest.update(block)
            target.write(block)
            on_bytes(len(block))
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != entry.sha256:
        part.unlink()
        raise CodedInputError("BUNDLE_FILE", entry.name)
    part.replace(path)


def unpack_bundle(
    file: Path,
    folder: Path,
    signers: Path | None,
    on_open: Callable[[Bundle], Callable[[int], object]],
) -> None:
    """Unpack a bundle, or continue an interrupted attempt.

    Args:
        file: the bundle.
        folder: target folder, which is created.
        signers: file of allowed signers; None skips the check of the signature.
        on_open: called with the bundle when its manifest is verified; returns a function that is
            called with the number of bytes of each extracted or compared block.

    Raises:
        CodedInputError: the bundle is not what its signer made, or the folder has other files.
        InvalidInput: a file cannot be written.
    """
    try:
        tar = tarfile.open(file, "r|", bufsize=CHUNK_BYTES)  # noqa: SIM115 - entered below
    except (OSError, tarfile.TarError) as error:
        with file.open("rb") as stream:
            content = file_types.describe_content(stream.read(file_types.HEAD_BYTES))
        raise CodedInputError("BUNDLE_MEMBER", f"{file}: {content}") from error
    try:
        with tar:
            bundle = Bundle(tar, signers)
            bundle.extract_files(folder, on_open(bundle))
    except tarfile.TarError as error:
        raise CodedInputError("BUNDLE_TRUNCATED", f"{file}: {error}") from error
    except OSError as error:
        raise InvalidInput(f"{error.filename or file}: {error.strerror or error}") from error
