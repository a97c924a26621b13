"""Room on a host's file systems for all that a run will put there, in sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from fleet.errors import Failure
from fleet.release import host_paths
from fleet.release.target import ReleaseTarget
from operations import driver, driver_package, engine, packages, weights
from operations.host.facts import HostFacts

#: an image needs room for its archive and, unpacked, about twice that (measured: 1.9 to 2.4)
UNPACKED_FACTOR = 3
#: with containerd's image store, which keeps what was loaded beside what it was unpacked to, and
#: with a driver that copies all that is below into each of some twenty layers
CONTAINERD_FACTOR, VFS_FACTOR = 5, 20
#: an image's files, of its archive
IMAGE_FILES_FACTOR = 2
#: a checkout and its history, of a git bundle; what is in packages, and in wheels, of their files
CHECKOUT_FACTOR, INSTALLED_FACTOR = 3, 4
#: files that provisioning makes in one place: the sources with their history and migrated trees
REQUIRED_INODES = 20_000


@dataclass(frozen=True)
class SpaceNeed:
    path: str
    label: str
    size_bytes: int


def find_probed_folder(facts: HostFacts, path: str) -> str:
    """The longest of the observed folders that a path is in; "" where none is."""
    known = [p for p in facts.free_bytes if f"{path}/".startswith(f"{p.rstrip('/')}/")]
    return max(known, key=len, default="")


def find_file_system(facts: HostFacts, path: str) -> str:
    """What tells the path's file system from others; "" where nothing is known of it."""
    found = find_probed_folder(facts, path)
    return facts.filesystem_ids.get(found, found)


def list_needs(target: ReleaseTarget, facts: HostFacts) -> Iterator[SpaceNeed]:
    """What is still to come, and where; what is there in its length counts as there."""
    told: set[str] = set()
    every = (facts, *facts.beside.values())
    is_there = {path: size for seen in every for path, size in seen.existing_bytes.items()}

    def transfer_needs(dest: str, sha: str, size: int, what: str) -> Iterator[SpaceNeed]:
        """A file by way of the incoming folder."""
        if dest in told or is_there.get(dest) == size:
            return
        told.add(dest)
        part = sum(there for name, there in facts.partial_bytes.items() if sha in name)
        yield SpaceNeed(host_paths.STATE_FOLDER, what, max(size - part, 0))
        if find_file_system(facts, dest) != find_file_system(facts, host_paths.STATE_FOLDER):
            yield SpaceNeed(dest.rpartition("/")[0], what, size)

    silent = not facts.engine_version and not engine.is_missing(facts)
    for part, seen in ((target, facts), *((w, facts.beside[w.key]) for w in target.other_releases)):
        release, files = part.release, part.lock.files
        if seen.image != part.lock.image.id and not silent:
            archive = files[release.image.file]
            if part.lock.image.id not in told:
                told.add(part.lock.image.id)
                factor = CONTAINERD_FACTOR if seen.storage.uses_containerd else UNPACKED_FACTOR
                if seen.storage.driver == "vfs":
                    factor = VFS_FACTOR
                yield SpaceNeed(seen.docker_root, "unpacked image", factor * archive.size)
            dest = f"{host_paths.STATE_FOLDER}/artifacts/{release.image.file}"
            yield from transfer_needs(dest, archive.sha256, archive.size, "image archive")
        for one in weights.list_unplaced(part, seen):
            for name, file in part.lock.files_in(one.folder).items():
                what = f"weights {one.name}"
                yield from transfer_needs(f"{one.target}/{name}", file.sha256, file.size, what)
        for source in release.sources:
            path = host_paths.to_host_path(release, source.path)
            if path in seen.sources or path in told:
                continue
            told.add(path)
            size = 0
            if source.bundle:
                bundle = files[source.bundle]
                size, dest = (
                    CHECKOUT_FACTOR * bundle.size,
                    f"{host_paths.STATE_FOLDER}/artifacts/{source.bundle}",
                )
                yield from transfer_needs(
                    dest, bundle.sha256, bundle.size, f"bundle of {source.name}"
                )
            yield SpaceNeed(path, f"checkout of {source.name}", size)
        if not (silent or packages.are_installed(part, seen)):
            carried = 0
            for local, dest, sha in packages.list_store_files(part):
                size = files[str(local.relative_to(part.store))].size
                carried += size
                yield from transfer_needs(dest, sha, size, "packages of the container")
            if carried:
                yield SpaceNeed(seen.docker_root, "installed packages", INSTALLED_FACTOR * carried)
    package, there = (
        driver_package.select_package(target, facts),
        driver.find_current_package(target, facts),
    )
    right = there and there.is_installed and there.version == target.release.driver.version
    if not (right or isinstance(package, Failure)):
        file = target.lock.files[package.file]
        dest = f"{host_paths.STATE_FOLDER}/artifacts/{package.file}"
        yield from transfer_needs(dest, file.sha256, file.size, "driver package")
        yield SpaceNeed("/usr", "driver", INSTALLED_FACTOR * file.size)
    if engine.is_missing(facts) or engine.is_too_old(target, facts):
        for local, dest, sha in engine.list_store_packages(target, facts):
            size = target.lock.files[str(local.relative_to(target.store))].size
            yield from transfer_needs(dest, sha, size, "docker packages")
            yield SpaceNeed("/usr", "docker", INSTALLED_FACTOR * size)


def check_free_space(target: ReleaseTarget, facts: HostFacts) -> Failure | None:
    """A file system without room for all of it; of a silent engine nobody knows what it has."""
    wants: dict[str, list[SpaceNeed]] = defaultdict(list)
    for need in list_needs(target, facts):
        if find_probed_folder(facts, need.path):
            wants[find_file_system(facts, need.path)].append(need)
    for found in wants.values():
        places = {need.path: find_probed_folder(facts, need.path) for need in found}
        size = sum(need.size_bytes for need in found)
        # a quota may leave less to one folder of it
        free = max(facts.free_bytes[where] for where in places.values())
        if free < size:
            return _no_space_failure(found, free, size)
        for path, where in places.items():
            own = [need for need in found if need.path == path]
            if facts.free_bytes[where] < (size := sum(need.size_bytes for need in own)):
                return _no_space_failure(own, facts.free_bytes[where], size)
            if facts.free_inodes.get(where, REQUIRED_INODES) < REQUIRED_INODES:
                said = (
                    f"{path} has {facts.free_inodes[where]:,} free, {REQUIRED_INODES:,} are needed"
                )
                return Failure("NO_INODES", said)
    return None


def _no_space_failure(needs: list[SpaceNeed], free: int, size: int) -> Failure:
    """One sentence that names the folders, and what is big there."""
    sizes: dict[str, int] = defaultdict(int)
    for need in needs:
        sizes[need.label] += need.size_bytes
    parts = sorted(sizes.items(), key=lambda part: -part[1])[:4]
    told = ", ".join(f"{what} {bytes_:,}" for what, bytes_ in parts if bytes_)
    paths = sorted({need.path for need in needs if need.size_bytes})
    have = "has" if len(paths) == 1 else "have together"
    said = f"{', '.join(paths)} {have} {free:,} bytes free, {size:,} are needed"
    return Failure("NO_SPACE", f"{said} ({told})" if len(sizes) > 1 else said)
