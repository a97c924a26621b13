"""The files that a host still needs, whatever stage will ask for them."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.errors import Failure
from fleet.language import _
from fleet.release import host_paths
from fleet.release.target import ReleaseTarget
from operations import driver_package, engine, image, packages, sources, weights
from operations.host.facts import HostFacts, ReleaseFacts
from operations.stage import HostSpec
from operations.transfer.upload import Upload


def list_uploads(spec: HostSpec, facts: HostFacts) -> Iterator[Upload]:
    """Yield everything that is still to be sent to a host, but for kernel headers.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    target = spec.target.primary
    package = driver_package.select_package(target, facts)
    if not isinstance(package, Failure) and not driver_package.is_right(target, facts):
        yield driver_package.build_upload(target, package)
    if engine.is_missing(facts) or engine.is_too_old(spec.target, facts):
        strictest = engine.find_strictest_release(spec.target, facts)
        yield Upload(_("docker packages"), engine.list_store_packages(strictest, facts))
    for release in spec.target.releases:
        found = facts.releases[release.key]
        pulled = image.comes_from_registry(release, spec.options)
        if found.image != release.lock.image.id and not pulled:
            archive = image.build_upload(release, spec.options)
            if archive:
                archive.title = release.qualify_title(_("image archive"))
                yield archive
        for item in weights.list_unplaced(release, found):
            yield weights.build_upload(release, item)
        yield from _list_bundles(release, found)
        if not packages.are_installed(release, found):
            yield Upload(
                release.qualify_title(_("wheels and packages")), packages.list_store_files(release)
            )


def _list_bundles(target: ReleaseTarget, found: ReleaseFacts) -> Iterator[Upload]:
    for source in sources.list_unpinned(target, found):
        checkout = found.sources.get(host_paths.to_host_path(target.release, source.path))
        if upload := sources.build_upload(target, source, checkout):
            yield upload
