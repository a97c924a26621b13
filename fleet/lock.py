"""The lock beside a release: the bytes it means (files, image id, commits)."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from fleet import documents, measured, pieces, whole
from fleet.failures import InvalidInput
from fleet.release import Release
from fleet.shapes import Int, Model, Sha256, like, stays_inside
from fleet.store import checksums, repositories
from fleet.store.contents import Contents

CHUNK = 1 << 20
#: bytes of a lock, where it is written and where it is read: some 400,000 files
LARGEST = 64 << 20


class LockedFile(Model):
    sha256: Sha256
    size: Annotated[Int, Field(ge=0)]


class LockedImage(Model):
    id: Annotated[str, like(r"sha256:[0-9a-f]{64}", "an image id: sha256:…")]
    tags: tuple[str, ...]
    #: what the vendor says of it: the driver it needs, its CNToolkit
    labels: dict[str, str] = Field(default_factory=dict)


class Lock(Model):
    """Written by ``mlufleet lock``; a host is compared with it, never with a file's name."""

    release: str
    files: dict[Annotated[str, AfterValidator(stays_inside)], LockedFile]
    image: LockedImage
    commits: dict[str, Annotated[str, like(r"[0-9a-f]{40}([0-9a-f]{24})?", "a full commit")]]

    def under(self, folder: str) -> dict[str, LockedFile]:
        """Files in a folder of the store, by their path below it."""
        prefix = folder.rstrip("/") + "/"
        return {k.removeprefix(prefix): v for k, v in self.files.items() if k.startswith(prefix)}


def beside(release_file: Path) -> Path:
    return release_file.with_suffix(".lock.json")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """:raises ValueError: a key is given twice: which one counts would be a guess"""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key in found if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"{twice!r:.80} is given twice")
    return found


def write(lock: Lock, path: Path) -> None:
    """:raises InvalidInput: it is larger than what is read as one, or cannot be written"""
    text = lock.model_dump_json(indent=1) + "\n"
    if len(text.encode()) > LARGEST:
        raise InvalidInput(f"{path}: {len(lock.files)} files are more than a lock can have: "
                           "pack those that belong together, or leave some out")  # fmt: skip
    try:
        whole.write(path, text)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror or error}") from error


def load(release_file: Path) -> Lock:
    """:raises InvalidInput: there is no lock, or it is not one"""
    path = beside(release_file)
    if not documents.is_file(path):
        raise InvalidInput(
            f"{path}: no lock; write it with `mlufleet lock {release_file} --store STORE`"
        )
    try:
        data = json.loads(documents.text_of(path, LARGEST), object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: not valid JSON: {error}") from error
    return documents.validate(Lock, data, path)


def measure(path: Path) -> LockedFile:
    """Size in bytes and sha256 of a file, compared with the checksum files beside it.

    :raises InvalidInput: one of them says otherwise, or cannot be read
    """
    said, size = checksums.Compared(path), 0

    def each(block: bytes) -> None:
        nonlocal size
        size += len(block)
        said.update(block)

    try:
        sha, parts = pieces.read(path, each)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}") from error
    said.end()
    if size > pieces.SIZE:
        pieces.keep(sha, parts)
    return LockedFile(sha256=sha, size=size)


def read_image(path: Path) -> LockedImage:
    """Image id and tags from an archive's manifest.json (a file's name proves nothing).

    :raises InvalidInput: it is not a `docker save` archive of one image
    """
    try:
        with tarfile.open(path, "r|*") as archive:
            small, entries = {}, None
            for member in archive:
                if member.isfile() and member.size < CHUNK:
                    stream = archive.extractfile(member)
                    small[member.name] = stream.read() if stream else b""
                if entries is None and "manifest.json" in small:
                    entries = json.loads(small["manifest.json"])
                # the image's own document may come before or after
                if entries is not None and _document(entries) in (None, *small):
                    break
    except (OSError, tarfile.TarError, ValueError, EOFError) as error:
        raise InvalidInput(f"{path}: not a docker image archive: {error}") from error
    if not isinstance(entries, list) or len(entries) != 1:
        raise InvalidInput(f"{path}: one image is expected, manifest.json has {entries!r:.80}")
    try:
        config = Path(entries[0]["Config"]).name.removesuffix(".json")
        labels = _labels(small.get(entries[0]["Config"], b"{}"))
        tags = tuple(entries[0].get("RepoTags") or ())
        return LockedImage(id=f"sha256:{config}", tags=tags, labels=labels)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise InvalidInput(f"{path}: its manifest.json is not docker's: {error}") from error


def _document(entries: Any) -> str | None:
    """Name of an image's own document, which has its labels; None in no manifest of docker's."""
    try:
        name = entries[0]["Config"]
    except (TypeError, LookupError):
        return None
    return name if isinstance(name, str) else None


def _labels(document: bytes) -> dict[str, str]:
    """The vendor's labels in an image's own document."""
    found = (json.loads(document).get("config") or {}).get("Labels") or {}
    return {str(k): str(v) for k, v in found.items() if str(k).startswith("com.cambricon.")}


def make(release: Release, store: Path, progress: Callable[[str], None],
         warn: Callable[[str], None] = lambda line: None) -> Lock:  # fmt: skip
    """Measure the store for a release.

    :param progress: told of each file before it is read
    :param warn: told in one line of what may be wrong, and may be meant
    :raises InvalidInput: a file is missing or is not what it claims
    """
    for weights in release.weights:
        repositories.checked_out(weights, store)
    taken = Contents(release, store, warn)
    commits = repositories.all_of(release, store, warn)
    files: dict[str, LockedFile] = {}

    def read(path: Path) -> str:
        name = str(path.relative_to(store))
        progress(name)
        files[name] = measure(path)
        return files[name].sha256

    measured.sums([store / name for name in taken.names], read, anew=True)
    image = read_image(store / release.image.file)
    if release.image.reference not in image.tags:
        raise InvalidInput(
            f"{store / release.image.file}: holds {', '.join(image.tags) or 'no tag'}, "
            f"but the release says {release.image.reference}"
        )
    return Lock(release=release.digest, files=files, image=image, commits=commits)


def check(release: Release, lock: Lock, store: Path, *, full: bool = False) -> list[str]:
    """What is wrong between release, lock and store; empty when nothing is.

    :param full: read every byte; otherwise only of files that have changed since they were read
    """
    problems = []
    if lock.release != release.digest:
        problems.append("the release has changed since it was locked: run `mlufleet lock`")
    same = {}
    for name, locked in lock.files.items():
        path = store / name
        if not documents.is_file(path):
            problems.append(f"{path}: missing")
        elif path.stat().st_size != locked.size:
            problems.append(f"{path}: {path.stat().st_size} bytes, the lock says {locked.size}")
        else:
            same[path] = locked.sha256
    found = measured.sums(list(same), lambda path: measure(path).sha256, anew=full)
    problems += [f"{path}: sha256 is not the lock's {sha}" for path, sha in same.items()
                 if found[path] != sha]  # fmt: skip
    return problems
