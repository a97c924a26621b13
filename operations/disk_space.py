"""Room on a host's file systems for all that a run will put there, in sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from fleet.errors import Failure
from fleet.release import host_paths
from fleet.release.target import Wanted
from operations import driver, driver_package, engine, packages, weights
from operations.host.facts import HostState

#: an image needs room for its archive and, unpacked, about twice that (measured: 1.9 to 2.4)
UNPACKED = 3
#: with containerd's image store, which keeps what was loaded beside what it was unpacked to, and
#: with a driver that copies all that is below into each of some twenty layers
STORED, COPIED = 5, 20
#: an image's files, of its archive
FILES = 2
#: a checkout and its history, of a git bundle; what is in packages, and in wheels, of their files
CHECKED_OUT, INSTALLED = 3, 4
#: files that provisioning makes in one place: the sources with their history and migrated trees
INODES = 20_000


@dataclass(frozen=True)
class Need:
    path: str
    what: str
    size: int


def place(state: HostState, path: str) -> str:
    """The longest of the observed folders that a path is in; "" where none is."""
    known = [p for p in state.disk if f"{path}/".startswith(f"{p.rstrip('/')}/")]
    return max(known, key=len, default="")


def disk(state: HostState, path: str) -> str:
    """What tells the path's file system from others; "" where nothing is known of it."""
    found = place(state, path)
    return state.systems.get(found, found)


def needs(wanted: Wanted, state: HostState) -> Iterator[Need]:
    """What is still to come, and where; what is there in its length counts as there."""
    told: set[str] = set()
    every = (state, *state.beside.values())
    is_there = {path: size for seen in every for path, size in seen.there.items()}

    def comes(dest: str, sha: str, size: int, what: str) -> Iterator[Need]:
        """A file by way of the incoming folder."""
        if dest in told or is_there.get(dest) == size:
            return
        told.add(dest)
        part = sum(there for name, there in state.parts.items() if sha in name)
        yield Need(host_paths.STATE, what, max(size - part, 0))
        if disk(state, dest) != disk(state, host_paths.STATE):
            yield Need(dest.rpartition("/")[0], what, size)

    silent = not state.engine and not engine.absent(state)
    for part, seen in ((wanted, state), *((w, state.beside[w.slot]) for w in wanted.beside)):
        release, files = part.release, part.lock.files
        if seen.image != part.lock.image.id and not silent:
            archive = files[release.image.file]
            if part.lock.image.id not in told:
                told.add(part.lock.image.id)
                factor = STORED if seen.storage.containerd else UNPACKED
                if seen.storage.driver == "vfs":
                    factor = COPIED
                yield Need(seen.docker_root, "unpacked image", factor * archive.size)
            dest = f"{host_paths.STATE}/artifacts/{release.image.file}"
            yield from comes(dest, archive.sha256, archive.size, "image archive")
        for one in weights.wrong(part, seen):
            for name, file in part.lock.under(one.folder).items():
                what = f"weights {one.name}"
                yield from comes(f"{one.target}/{name}", file.sha256, file.size, what)
        for source in release.sources:
            path = host_paths.on_host(release, source.path)
            if path in seen.sources or path in told:
                continue
            told.add(path)
            size = 0
            if source.bundle:
                bundle = files[source.bundle]
                size, dest = (
                    CHECKED_OUT * bundle.size,
                    f"{host_paths.STATE}/artifacts/{source.bundle}",
                )
                yield from comes(dest, bundle.sha256, bundle.size, f"bundle of {source.name}")
            yield Need(path, f"checkout of {source.name}", size)
        if not (silent or packages.complete(part, seen)):
            carried = 0
            for local, dest, sha in packages.carried(part):
                size = files[str(local.relative_to(part.store))].size
                carried += size
                yield from comes(dest, sha, size, "packages of the container")
            if carried:
                yield Need(seen.docker_root, "installed packages", INSTALLED * carried)
    package, there = driver_package.package(wanted, state), driver.current(wanted, state)
    right = there and there.installed and there.version == wanted.release.driver.version
    if not (right or isinstance(package, Failure)):
        file = wanted.lock.files[package.file]
        dest = f"{host_paths.STATE}/artifacts/{package.file}"
        yield from comes(dest, file.sha256, file.size, "driver package")
        yield Need("/usr", "driver", INSTALLED * file.size)
    if engine.absent(state) or engine.old(wanted, state):
        for local, dest, sha in engine.files(wanted, state):
            size = wanted.lock.files[str(local.relative_to(wanted.store))].size
            yield from comes(dest, sha, size, "docker packages")
            yield Need("/usr", "docker", INSTALLED * size)


def short(wanted: Wanted, state: HostState) -> Failure | None:
    """A file system without room for all of it; of a silent engine nobody knows what it has."""
    wants: dict[str, list[Need]] = defaultdict(list)
    for need in needs(wanted, state):
        if place(state, need.path):
            wants[disk(state, need.path)].append(need)
    for found in wants.values():
        places = {need.path: place(state, need.path) for need in found}
        size = sum(need.size for need in found)
        # a quota may leave less to one folder of it
        free = max(state.disk[where] for where in places.values())
        if free < size:
            return _failure(found, free, size)
        for path, where in places.items():
            own = [need for need in found if need.path == path]
            if state.disk[where] < (size := sum(need.size for need in own)):
                return _failure(own, state.disk[where], size)
            if state.inodes.get(where, INODES) < INODES:
                said = f"{path} has {state.inodes[where]:,} free, {INODES:,} are needed"
                return Failure("NO_INODES", said)
    return None


def _failure(needs: list[Need], free: int, size: int) -> Failure:
    """One sentence that names the folders, and what is big there."""
    sizes: dict[str, int] = defaultdict(int)
    for need in needs:
        sizes[need.what] += need.size
    parts = sorted(sizes.items(), key=lambda part: -part[1])[:4]
    told = ", ".join(f"{what} {bytes_:,}" for what, bytes_ in parts if bytes_)
    paths = sorted({need.path for need in needs if need.size})
    have = "has" if len(paths) == 1 else "have together"
    said = f"{', '.join(paths)} {have} {free:,} bytes free, {size:,} are needed"
    return Failure("NO_SPACE", f"{said} ({told})" if len(sizes) > 1 else said)
