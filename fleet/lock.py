"""The lock beside a release: the bytes it means (files, image id, commits)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from fleet.failures import InvalidInput
from fleet.release import Model, Release, Source

CHUNK = 1 << 20


class LockedFile(Model):
    sha256: str
    size: int


class LockedImage(Model):
    id: str
    tags: tuple[str, ...]


class Lock(Model):
    """Written by ``mlufleet lock``; a host is compared with it, never with a file's name."""

    release: str
    files: dict[str, LockedFile]
    image: LockedImage
    commits: dict[str, str]

    def under(self, folder: str) -> dict[str, LockedFile]:
        """Files in a folder of the store, by their path below it."""
        prefix = folder.rstrip("/") + "/"
        return {k.removeprefix(prefix): v for k, v in self.files.items() if k.startswith(prefix)}


def beside(release_file: Path) -> Path:
    return release_file.with_suffix(".lock.json")


def load(release_file: Path) -> Lock:
    """:raises InvalidInput: there is no lock, or it is not one"""
    path = beside(release_file)
    if not path.is_file():
        raise InvalidInput(
            f"{path}: no lock; write it with `mlufleet lock {release_file} --store STORE`"
        )
    try:
        return Lock.model_validate(json.loads(path.read_text()))
    except (ValueError, ValidationError) as error:
        raise InvalidInput(f"{path}: not a lock: {error}") from error


def wanted_files(release: Release, store: Path) -> Iterator[str]:
    """Paths below the store that a release needs.

    :raises InvalidInput: one is missing
    """
    names = [package.file for package in release.driver.packages.values()]
    names.append(release.image.file)
    names += [source.bundle for source in release.sources if source.bundle]
    names += [p.file for p in release.packages.system if p.file]
    names += [p.wheel for p in release.packages.pip if p.wheel and "://" not in p.wheel]
    missing = [name for name in names if not (store / name).is_file()]
    folders = [weights.folder for weights in release.weights]
    if release.packages.wheelhouse:
        folders.append(release.packages.wheelhouse)
    folders += release.engine.packages.values()
    folders = list(dict.fromkeys(folders))
    missing += [f"{folder}/" for folder in folders if not (store / folder).is_dir()]
    if missing:
        listed = "\n  ".join(missing)
        raise InvalidInput(
            f"{store}: release {release.name} needs files that are not there:\n  {listed}"
        )
    yield from dict.fromkeys(names)
    for folder in folders:
        for root, _, entries in os.walk(store / folder):
            for entry in sorted(entries):
                yield str((Path(root) / entry).relative_to(store))


def measure(path: Path) -> LockedFile:
    """Size in bytes and sha256 of a file, checked against the vendor's .md5sum beside it.

    :raises InvalidInput: the vendor's sum says otherwise
    """
    vendor = path.with_name(path.name + ".md5sum")
    sha, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            sha.update(block)
            size += len(block)
            if vendor.is_file():
                md5.update(block)
    if vendor.is_file():
        said = vendor.read_text().split()[0].lower()
        if said != md5.hexdigest():
            raise InvalidInput(
                f"{path}: md5 is {md5.hexdigest()}, but {vendor.name} says {said}: "
                "the download is broken, fetch it again"
            )
    return LockedFile(sha256=sha.hexdigest(), size=size)


def read_image(path: Path) -> LockedImage:
    """Image id and tags from an archive's manifest.json (a file's name proves nothing).

    :raises InvalidInput: it is not a `docker save` archive of one image
    """
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if member.name == "manifest.json":
                    stream = archive.extractfile(member)
                    entries = json.load(stream) if stream else []
                    break
            else:
                entries = []
    except (OSError, tarfile.TarError, ValueError, EOFError) as error:
        raise InvalidInput(f"{path}: not a docker image archive: {error}") from error
    if len(entries) != 1:
        raise InvalidInput(f"{path}: one image is expected, manifest.json lists {len(entries)}")
    config = Path(entries[0]["Config"]).name.removesuffix(".json")
    return LockedImage(id=f"sha256:{config}", tags=tuple(entries[0].get("RepoTags") or ()))


def resolve(source: Source, store: Path) -> str:
    """The full commit that a source's tag, branch or (abbreviated) commit means.

    :raises InvalidInput: it cannot be found where the source says
    """
    if source.bundle is None:
        if source.commit and len(source.commit) == 40:
            return source.commit
        remote = source.url or ""
        # a tag may be an object of its own: then the commit is listed as its ^{}
        tag, branch = f"refs/tags/{source.tag}", f"refs/heads/{source.branch}"
        refs = (f"{tag}^{{}}", tag) if source.tag else (branch,)
        found = [line.split() for line in _git("ls-remote", remote, *refs).splitlines()]
        listed = {ref: commit for commit, ref in found}
        for ref in refs:
            if ref in listed:
                return listed[ref]
        hint = " (say the whole commit)" if source.commit else ""
        raise InvalidInput(f"source {source.name}: {remote} has no {source.revision}{hint}")
    bundle = store / source.bundle
    for line in _git("bundle", "list-heads", str(bundle)).splitlines():
        commit, ref = line.split()[:2]
        if ref in (f"refs/tags/{source.tag}", f"refs/heads/{source.branch}"):
            return _peeled(bundle, commit)
        if source.commit and commit.startswith(source.commit):
            return commit
    if source.commit:
        return _peeled(bundle, source.commit)
    raise InvalidInput(f"source {source.name}: {bundle} has no {source.revision}")


def _peeled(bundle: Path, revision: str) -> str:
    """A tag object's commit; needs the objects, so the bundle is opened in a scratch clone."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as scratch:
        _git("clone", "--quiet", "--bare", str(bundle), scratch)
        return _git("--git-dir", scratch, "rev-parse", f"{revision}^{{commit}}")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise InvalidInput(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def make(release: Release, store: Path, progress: Callable[[str], None]) -> Lock:
    """Measure the store for a release.

    :raises InvalidInput: a file is missing or is not what it claims
    """
    files = {}
    for name in wanted_files(release, store):
        progress(name)
        files[name] = measure(store / name)
    image = read_image(store / release.image.file)
    if release.image.reference not in image.tags:
        raise InvalidInput(
            f"{store / release.image.file}: holds {', '.join(image.tags) or 'no tag'}, "
            f"but the release says {release.image.reference}"
        )
    commits = {source.name: resolve(source, store) for source in release.sources}
    return Lock(release=release.digest, files=files, image=image, commits=commits)


def check(release: Release, lock: Lock, store: Path, *, full: bool = False) -> list[str]:
    """What is wrong between release, lock and store; empty when nothing is.

    :param full: read every byte (minutes for real images); sizes only otherwise
    """
    problems = []
    if lock.release != release.digest:
        problems.append("the release has changed since it was locked: run `mlufleet lock`")
    for name, locked in lock.files.items():
        path = store / name
        if not path.is_file():
            problems.append(f"{path}: missing")
        elif path.stat().st_size != locked.size:
            problems.append(f"{path}: {path.stat().st_size} bytes, the lock says {locked.size}")
        elif full and measure(path).sha256 != locked.sha256:
            problems.append(f"{path}: sha256 is not the lock's {locked.sha256}")
    return problems
