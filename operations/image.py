"""The vendor's image, identified by its id: a tag or a file name proves nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.release import host_paths
from fleet.release.target import ReleaseTarget
from operations import disk_space, engine
from operations.host import engine_storage
from operations.host.command import HostCommand
from operations.host.facts import HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.stage import Action, Decision, HostSpec, OperationCommands, Plan, ReleaseStage
from operations.transfer.upload import Upload


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Compare the engine's images with the lock's.

    Args:
        spec: The desired state of the host.
        target: The release.
        facts: The host.
    """
    found = facts.releases[target.key]
    reference, identity = target.release.image.reference, target.lock.image.id
    if failure := engine.check_answers(target, found):
        return failure
    if found.image != identity:
        # preflight could not know it of an engine that was not running yet
        archive = target.lock.files[target.release.image.file]
        unpacked = disk_space.IMAGE_FILES_FACTOR * archive.size
        failure = engine_storage.check_image_support(facts.storage, unpacked)
        if failure := failure or disk_space.check_free_space(spec.target, facts):
            return failure
        words = f"load image {reference} ({identity[:19]})"
    elif found.tagged != identity:
        words = f"tag {identity[:19]} as {reference}"
    else:
        return Plan()
    return Plan((Action((words,), lambda _: _load(target, found)),))


def archive_path(target: ReleaseTarget) -> str:
    """Return where the image's archive lies on the host.

    Args:
        target: The release.
    """
    return f"{host_paths.STATE_FOLDER}/artifacts/{target.release.image.file}"


def build_upload(target: ReleaseTarget) -> Upload:
    """Return the upload of the image's archive.

    Args:
        target: The release.
    """
    local, sha = target.local_file(target.release.image.file)
    return Upload(target.qualify("image"), [(local, archive_path(target), sha)])


def _load(target: ReleaseTarget, found: ReleaseFacts) -> Iterator[HostCommand]:
    reference, identity = target.release.image.reference, target.lock.image.id
    if found.tagged and found.tagged != identity:
        yield RemoteJob(
            "keeping another image under its own tag",
            "keep-image",
            reference,
            identity,
            code="IMAGE_LOAD",
        )
    if found.image != identity:
        size = disk_space.UNPACKED_FACTOR * target.lock.files[target.release.image.file].size
        yield build_upload(target)
        yield RemoteJob(
            "loading the image (gigabytes are unpacked, this takes minutes)",
            "load-image",
            archive_path(target),
            identity,
            str(size),
            reference,
            code="IMAGE_LOAD",
            timeout=7200,
            resource="load",
        )
    yield RemoteJob("tagging the image", "tag-image", identity, reference, code="IMAGE_LOAD")


STAGE = ReleaseStage("image", decide, "IMAGE_LOAD")


@operation()
def loaded(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Load the locked image into the engine, and tag it with the release's reference.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
