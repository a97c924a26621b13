"""The lock file next to a release: the exact files, image id and commits that it stands for."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from fleet import paths
from fleet.documents import atomic_write, loading
from fleet.documents.types import Int, Model, Sha256, check_stays_inside, matching
from fleet.errors import InvalidInput
from fleet.language import N_, _, join
from fleet.release.model import Patch
from fleet.text import stored_messages

#: What is said of a lock that does not say what is unproved.
NOT_PROVED = N_("not proved: locked by an earlier version; lock it again")
#: Largest lock file that is written and read: about 400,000 files.
MAX_BYTES = 64 << 20


class LockedFile(Model):
    """A file in the store."""

    #: Its checksum.
    sha256: Sha256
    #: Its size in bytes.
    size: Annotated[Int, Field(ge=0)]


class LockedImage(Model):
    """The Docker image in the release's archive or registry."""

    #: Its id, the same on every host.
    id: Annotated[str, matching(r"sha256:[0-9a-f]{64}", N_("an image id: sha256:…"))]
    #: Its tags in the archive; none if there is no archive.
    tags: tuple[str, ...]
    #: Its labels: the vendor states the required driver and the CNToolkit there.
    labels: dict[str, str] = Field(default_factory=dict)
    #: Bytes of its layers in the registry, if the release has no archive.
    size: Annotated[Int, Field(ge=0, exclude_if=lambda value: not value)] = 0


class UnprovedPoint(Model):
    """A point in which a release could not be compared with the files that it stands for."""

    #: Field of the release, such as patches.0.
    field: str
    #: Why it could not be proved.
    reason: str


class Lock(Model):
    """A lock file. Hosts are compared with its checksums, never with file names."""

    #: Digest of the release that was locked.
    release: str
    #: Path in the store -> the file.
    files: dict[Annotated[str, AfterValidator(check_stays_inside)], LockedFile]
    #: The image.
    image: LockedImage
    #: Name of a source -> its full commit.
    commits: dict[
        str, Annotated[str, matching(r"[0-9a-f]{40}([0-9a-f]{24})?", N_("a full commit"))]
    ]
    #: SOURCE:PATH -> checksum of a file that a patch takes from a source. Files of a source without
    #: a bundle are missing.
    source_files: dict[str, Sha256] = Field(
        default_factory=dict, exclude_if=lambda value: not value
    )
    #: Numbers of pip lines of the release that one call of pip installs, group by group. A line in
    #: no group has a call of its own.
    pip_groups: Annotated[
        tuple[tuple[Annotated[Int, Field(ge=0)], ...], ...],
        Field(exclude_if=lambda value: not value),
    ] = ()
    #: What could not be proved when the release was locked. Absent if it was locked by a version
    #: that proved nothing.
    unproved: Annotated[
        tuple[UnprovedPoint, ...] | None, Field(exclude_if=lambda value: value is None)
    ] = None

    def describe_unproved(self) -> list[str]:
        """List what could not be proved of the release.

        Returns:
            A line for each point, "field: reason", in the language of this process; empty if
            everything was proved.
        """
        if self.unproved is None:
            return [_(NOT_PROVED)]
        return [
            join(": ", (point.field, stored_messages.translate_stored(point.reason)))
            for point in self.unproved
        ]

    def source_file_sha256(self, patch: Patch) -> str:
        """Return the checksum of the file that a patch takes from a source.

        Args:
            patch: A patch with `source` and `path`.

        Returns:
            Its SHA-256; "" if it was not known when the release was locked.
        """
        return self.source_files.get(f"{patch.source}:{patch.path}", "")

    def files_in(self, folder: str) -> dict[str, LockedFile]:
        """Select the files in a folder of the store.

        Args:
            folder: Path of the folder in the store.

        Returns:
            Path below the folder -> file.
        """
        prefix = folder.rstrip("/") + "/"
        return {k.removeprefix(prefix): v for k, v in self.files.items() if k.startswith(prefix)}


def lock_path(release_file: Path) -> Path:
    """Return the path of a release's lock file.

    It is next to the release; that of a release which an installed wheel brings is in the working
    folder, at the same path below `files/`.

    Args:
        release_file: The release file.
    """
    return paths.writable_path(release_file.with_suffix(".lock.json"))


def write(lock: Lock, path: Path) -> None:
    """Write a lock file.

    Args:
        lock: The lock.
        path: The file to create or replace.

    Raises:
        InvalidInput: The lock is larger than :data:`MAX_BYTES`, or cannot be written.
    """
    text = lock.model_dump_json(indent=1) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise InvalidInput(
            _(
                "{path}: {count} files are too many for a lock file: pack files that "
                "belong together into archives, or omit some",
                path=path,
                count=len(lock.files),
            )
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write.replace_file(path, text)
    except OSError as error:
        raise InvalidInput(
            _("{path}: cannot be written: {reason}", path=path, reason=error.strerror or error)
        ) from error


def load(release_file: Path, store: str = "") -> Lock:
    """Load the lock file of a release.

    Args:
        release_file: The release file.
        store: Folder of the store, for what is said if there is no lock file (default: the usual).

    Returns:
        The lock.

    Raises:
        InvalidInput: The lock file is missing or invalid.
    """
    path = lock_path(release_file)
    if not loading.is_file(path):
        option = ["--store", store] if store else []
        raise InvalidInput(
            _(
                "{path}: no lock file; create it with `{command}`",
                path=path,
                command=f"mlufleet release lock {shlex.join([str(release_file), *option])}",
            )
        )
    try:
        text = loading.read_text(path, MAX_BYTES)
        data = json.loads(text, object_pairs_hook=_reject_duplicates)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            _(
                "{path}:{line}: not valid JSON: {problem}",
                path=path,
                line=error.lineno,
                problem=error.msg,
            )
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(_("{path}: not valid JSON: {error}", path=path, error=error)) from error
    return loading.validate_document(Lock, data, path)


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; raise ValueError if a key occurs twice."""
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(_("duplicate key {key!r:.80}", key=key))
        data[key] = value
    return data
