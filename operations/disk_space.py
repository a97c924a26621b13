"""Free space on a host's file systems for everything that a run will put there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from fleet.errors import Failure
from fleet.language import _, n_
from fleet.release import host_paths
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store import layer_index
from operations import driver_package, engine, packages, weights
from operations.host.facts import HostFacts, ReleaseFacts
from operations.transfer.image_upload import LAYERS_SUFFIX, count_present

#: space that an image needs, as a multiple of its archive: the archive itself and, unpacked, about
#: twice as much (measured: 1.9 to 2.4)
UNPACKED_FACTOR = 3
#: the same with containerd's image store, which keeps what was loaded beside the unpacked files
CONTAINERD_FACTOR = 5
#: the same with the storage driver vfs, which copies all lower layers into each of some twenty
VFS_FACTOR = 20
#: an image's files, as a multiple of its archive
IMAGE_FILES_FACTOR = 2
#: a checkout with its history, as a multiple of its git bundle
CHECKOUT_FACTOR = 3
#: installed packages and wheels, as a multiple of their files
INSTALLED_FACTOR = 4
#: files that a run makes in one place: sources with their history, and migrated trees
REQUIRED_INODES = 20_000
#: free bytes below which a file system is full: not even locks, logs and the containers' own files
#: can be written
FULL_BELOW_BYTES = 1 << 20


@dataclass(frozen=True)
class SpaceNeed:
    """Space that something needs in one folder of the host."""

    path: str
    label: str
    size_bytes: int


def find_probed_folder(facts: HostFacts, path: str) -> str:
    """Return the innermost probed folder that contains a path, or "" if there is none.

    Args:
        facts: The host.
        path: A path on the host.
    """
    known = [p for p in facts.free_bytes if f"{path}/".startswith(f"{p.rstrip('/')}/")]
    return max(known, key=len, default="")


def find_file_system(facts: HostFacts, path: str) -> str:
    """Return what identifies the file system of a path, or "" if it was not probed.

    Args:
        facts: The host.
        path: A path on the host.
    """
    folder = find_probed_folder(facts, path)
    return facts.filesystem_ids.get(folder, folder)


def list_needs(target: HostTarget, facts: HostFacts, image_source: str = "auto") -> list[SpaceNeed]:
    """Return what is still to come to the host, and where it needs space.

    Args:
        target: The desired state of the host.
        facts: The host; files that exist in their full length are not counted.
        image_source: Where its images come from: "registry" needs no space for archives.
    """
    needs = _SpaceNeeds(target, facts, image_source)
    for release in target.releases:
        needs.add_release(release, facts.releases[release.key])
    needs.add_driver()
    needs.add_engine()
    return needs.found


class _SpaceNeeds:
    """Collects the needs of one host; what releases share is counted once."""

    def __init__(self, target: HostTarget, facts: HostFacts, image_source: str) -> None:
        self.target, self.facts, self._image_source = target, facts, image_source
        self.found: list[SpaceNeed] = []
        self._counted: set[str] = set()
        # of an engine that does not answer, nothing is known
        self._engine_is_silent = not facts.engine_version and not engine.is_missing(facts)

    def _is_new(self, key: str) -> bool:
        is_new = key not in self._counted
        self._counted.add(key)
        return is_new

    def _add(self, path: str, label: str, size: int) -> None:
        self.found.append(SpaceNeed(path, label, size))

    def _add_file(self, dest: str, sha: str, size: int, label: str) -> None:
        """Count a file, which arrives in the state folder and is then moved or copied to dest."""
        is_there = self.facts.existing_bytes.get(dest) == size or dest in self.facts.linkable_paths
        if is_there or not self._is_new(dest):
            return
        partial = sum(there for name, there in self.facts.partial_bytes.items() if sha in name)
        self._add(host_paths.STATE_FOLDER, label, max(size - partial, 0))
        if find_file_system(self.facts, dest) != find_file_system(
            self.facts, host_paths.STATE_FOLDER
        ):
            self._add(dest.rpartition("/")[0], label, size)

    def _add_artifact(self, release: ReleaseTarget, name: str, label: str) -> int:
        file = release.lock.files[name]
        dest = host_paths.artifact_path(name)
        self._add_file(dest, file.sha256, file.size, label)
        return file.size

    def add_release(self, release: ReleaseTarget, found: ReleaseFacts) -> None:
        if found.image != release.lock.image.id and not self._engine_is_silent:
            self._add_image(release)
        for item in weights.list_unplaced(release, found):
            for name, file in release.lock.files_in(item.folder).items():
                label = _("weights {weights}", weights=item.name)
                self._add_file(f"{item.target}/{name}", file.sha256, file.size, label)
        self._add_sources(release, found)
        if not (self._engine_is_silent or packages.are_installed(release, found)):
            self._add_packages(release)

    def _add_image(self, release: ReleaseTarget) -> None:
        archive, storage = release.release.image.file, self.facts.storage
        factor = CONTAINERD_FACTOR if storage.uses_containerd else UNPACKED_FACTOR
        if storage.driver == "vfs":
            factor = VFS_FACTOR
        layers = self._find_missing_layers(release)
        size = release.image_bytes if layers is None else layers
        if self._is_new(release.lock.image.id):
            self._add(self.facts.docker_root, _("unpacked image"), factor * size)
            if layers is not None:
                self._add_layers(release, layers)
        if layers is None and archive and self._image_source != "registry":
            self._add_artifact(release, archive, _("image archive"))

    def _find_missing_layers(self, release: ReleaseTarget) -> int | None:
        """Estimate the bytes that will be sent; None if that is the whole archive, or unknown."""
        archive, chains = release.release.image.file, self.facts.shareable_chains
        may_pull = release.release.image.registry and self._image_source != "archive"
        if archive is None or may_pull or not chains:
            return None
        try:
            index = layer_index.find_index(*release.local_file(archive))
        except OSError:
            return None
        present = count_present(index, chains) if index else 0
        if index is None or not present or index.image_id != release.lock.image.id:
            return None
        missing, total = index.missing_bytes(present), index.missing_bytes(0)
        is_linkable = host_paths.artifact_path(archive) in self.facts.linkable_paths
        if is_linkable and 2 * missing > total:
            return None
        return release.image_bytes * missing // total

    def _add_layers(self, release: ReleaseTarget, size: int) -> None:
        """Count the archive of the layers that the host lacks, less what is there of it."""
        dest = f"{host_paths.artifact_path(release.release.image.file or '')}{LAYERS_SUFFIX}"
        there = self.facts.existing_bytes.get(dest, 0)
        for name, partial in self.facts.partial_bytes.items():
            there += partial if name.startswith("image") else 0
        self._add(host_paths.STATE_FOLDER, _("layers of the image"), max(size - there, 0))

    def _add_sources(self, release: ReleaseTarget, found: ReleaseFacts) -> None:
        for source in release.release.sources:
            path, size = host_paths.to_host_path(release.release, source.path), 0
            if path in found.sources or not self._is_new(path):
                continue
            if source.bundle:
                size = CHECKOUT_FACTOR * self._add_artifact(
                    release, source.bundle, _("bundle of {source}", source=source.name)
                )
            self._add(path, _("checkout of {source}", source=source.name), size)

    def _add_packages(self, release: ReleaseTarget) -> None:
        total = 0
        for local, dest, sha in packages.list_store_files(release):
            size = release.lock.files[str(local.relative_to(release.store))].size
            total += size
            self._add_file(dest, sha, size, _("packages of the container"))
        if total:
            self._add(self.facts.docker_root, _("installed packages"), INSTALLED_FACTOR * total)

    def add_driver(self) -> None:
        release = self.target.primary
        package = driver_package.select_package(release, self.facts)
        current = driver_package.find_current(release, self.facts)
        version = release.release.driver.version
        is_right = current and current.is_installed and current.version == version
        if not is_right and not isinstance(package, Failure):
            size = self._add_artifact(release, package.file, _("driver package"))
            self._add("/usr", "driver", INSTALLED_FACTOR * size)

    def add_engine(self) -> None:
        if not (engine.is_missing(self.facts) or engine.is_too_old(self.target, self.facts)):
            return
        release = engine.find_strictest_release(self.target, self.facts)
        for local, dest, sha in engine.list_store_packages(release, self.facts):
            size = release.lock.files[str(local.relative_to(release.store))].size
            self._add_file(dest, sha, size, _("docker packages"))
            self._add("/usr", "docker", INSTALLED_FACTOR * size)


def check_free_space(
    target: HostTarget, facts: HostFacts, image_source: str = "auto"
) -> Failure | None:
    """Return the first file system that is full, or lacks space or inodes for what is to come.

    Args:
        target: The desired state of the host.
        facts: The host. What was not probed is not judged.
        image_source: Where its images come from, as for :func:`list_needs`.
    """
    by_file_system: dict[str, list[SpaceNeed]] = defaultdict(list)
    for need in list_needs(target, facts, image_source):
        if find_probed_folder(facts, need.path):
            by_file_system[find_file_system(facts, need.path)].append(need)
    for needs in by_file_system.values():
        if failure := _check_file_system(needs, facts):
            return failure
    return _check_full(facts)


def _check_full(facts: HostFacts) -> Failure | None:
    """Check that what is there can go on, even if nothing is to come."""
    for path in (host_paths.STATE_FOLDER, facts.docker_root):
        free = facts.free_bytes.get(find_probed_folder(facts, path))
        if free is not None and free < FULL_BELOW_BYTES:
            return Failure(
                "NO_SPACE", _("{path} has {free:,} bytes: it is full", path=path, free=free)
            )
    return None


def _check_file_system(needs: list[SpaceNeed], facts: HostFacts) -> Failure | None:
    folders = {need.path: find_probed_folder(facts, need.path) for need in needs}
    size = sum(need.size_bytes for need in needs)
    # a quota may leave less to one of the folders
    free = max(facts.free_bytes[folder] for folder in folders.values())
    if free < size:
        return _no_space_failure(needs, free, size)
    for path, folder in folders.items():
        own = [need for need in needs if need.path == path]
        if facts.free_bytes[folder] < (size := sum(need.size_bytes for need in own)):
            return _no_space_failure(own, facts.free_bytes[folder], size)
        if facts.free_inodes.get(folder, REQUIRED_INODES) < REQUIRED_INODES:
            left = facts.free_inodes[folder]
            return Failure(
                "NO_INODES",
                _(
                    "{path} has {left:,} free, {needed:,} are needed",
                    path=path,
                    left=left,
                    needed=REQUIRED_INODES,
                ),
            )
    return None


def _no_space_failure(needs: list[SpaceNeed], free: int, size: int) -> Failure:
    """Name the folders, and the largest of what is to be put there."""
    sizes: dict[str, int] = defaultdict(int)
    for need in needs:
        sizes[need.label] += need.size_bytes
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:4]
    shares = ", ".join(f"{label} {share:,}" for label, share in largest if share)
    paths = sorted({need.path for need in needs if need.size_bytes})
    sentence = n_(
        "{paths} has {free:,} bytes free, {size:,} are needed",
        "{paths} have together {free:,} bytes free, {size:,} are needed",
        len(paths),
        paths=", ".join(paths),
        free=free,
        size=size,
    )
    return Failure("NO_SPACE", f"{sentence} ({shares})" if len(sizes) > 1 else sentence)
