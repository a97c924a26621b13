"""The files of the store that releases need, and the URL of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.release import files as release_files
from fleet.release import lockfile as locks
from fleet.release.model import Release


@dataclass(frozen=True)
class StoreFile:
    """A file of the store.

    Attributes:
        name: path below the store.
        locked: its size and checksum according to the lock.
        url: address that it can be downloaded from, if the release has one.
    """

    name: str
    locked: locks.LockedFile
    url: str | None


@dataclass(frozen=True)
class RequiredFiles:
    """Releases and the files that they need.

    Attributes:
        releases: the releases by their file.
        files: each file once.
    """

    releases: dict[Path, Release]
    files: list[StoreFile]


def for_releases(names: Iterable[str]) -> RequiredFiles:
    """List the files that releases need.

    Args:
        names: names or files of releases.

    Returns:
        The releases and their files.

    Raises:
        InvalidInput: a lock is missing or out of date, or two locks contradict each other.
    """
    found: dict[Path, Release] = {}
    files: dict[str, StoreFile] = {}
    owners: dict[str, Path] = {}
    for path in dict.fromkeys(release_files.find_release(name) for name in names):
        release, lock = release_files.load_release(path), locks.load(path)
        if lock.release != release.digest:
            raise InvalidInput(
                _(
                    "{path}: the release changed since it was locked: run `mlufleet release lock`",
                    path=path,
                )
            )
        found[path] = release
        urls = dict(_release_urls(release))
        for name, locked in lock.files.items():
            url = _find_url(name, urls) or _join_url(release.mirror, name)
            first = files.setdefault(name, StoreFile(name, locked, url))
            if first.locked != locked:
                raise InvalidInput(
                    _(
                        "{path}: {name} has another checksum in the lock of {owner}: lock "
                        "both releases again",
                        path=path,
                        name=name,
                        owner=owners[name],
                    )
                )
            owners.setdefault(name, path)
            if first.url is None:
                files[name] = StoreFile(name, locked, url)
    return RequiredFiles(found, list(files.values()))


def find_address(release: Release, name: str) -> str | None:
    """Find the address that a file of the store can be downloaded from.

    Args:
        release: the release.
        name: path in the store.

    Returns:
        The file's own URL, or its address at the release's mirror; None if there is neither.
    """
    return _find_url(name, dict(_release_urls(release))) or _join_url(release.mirror, name)


def _release_urls(release: Release) -> Iterator[tuple[str, str]]:
    """Yield each file, or folder with a trailing slash, that has a URL of its own."""
    for package in release.driver.packages.values():
        if package.url:
            yield package.file, package.url
    if release.image.file and release.image.url:
        yield release.image.file, release.image.url
    for tool in release.packages.system:
        if tool.file and tool.url:
            yield tool.file, tool.url
    for weights in release.weights:
        if weights.url:
            yield weights.folder.rstrip("/") + "/", weights.url


def _find_url(name: str, urls: dict[str, str]) -> str | None:
    if name in urls:
        return urls[name]
    folder = next((f for f in urls if f.endswith("/") and name.startswith(f)), None)
    return _join_url(urls[folder], name[len(folder) :]) if folder else None


def _join_url(base: str | None, name: str) -> str | None:
    return f"{base.rstrip('/')}/{quote(name)}" if base else None
