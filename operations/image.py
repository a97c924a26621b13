"""The vendor's image, known by its id: a tag or a file name proves nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.release import host_paths
from fleet.release.target import ReleaseTarget
from operations import disk_space, engine, engine_storage
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.stage import Decision, HostOptions, OperationCommands, Stage
from operations.transfer.upload import Upload


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    reference, identity = target.release.image.reference, target.lock.image.id
    if silent := engine.check_answers(target, facts):
        return silent
    if facts.image != identity:
        # preflight could not know it of an engine that was not running yet
        archive = target.lock.files[target.release.image.file]
        bad = engine_storage.check_image_support(
            facts.storage, disk_space.IMAGE_FILES_FACTOR * archive.size
        )
        if short := bad or disk_space.check_free_space(target, facts):
            return short
        return [f"load image {reference} ({identity[:19]})"]
    if facts.tagged != identity:
        return [f"tag {identity[:19]} as {reference}"]
    return []


def archive_path(target: ReleaseTarget) -> str:
    """Where the archive is on the host."""
    return f"{host_paths.STATE_FOLDER}/artifacts/{target.release.image.file}"


def build_upload(target: ReleaseTarget) -> Upload:
    local, sha = target.local_file(target.release.image.file)
    return Upload(target.qualify("image"), [(local, archive_path(target), sha)])


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    reference, identity = target.release.image.reference, target.lock.image.id
    if facts.tagged and facts.tagged != identity:
        yield RemoteJob(
            "keeping another image under its own tag",
            "keep-image",
            reference,
            identity,
            code="IMAGE_LOAD",
            libraries="images",
        )
    if facts.image != identity:
        yield build_upload(target)
        yield RemoteJob(
            "loading the image (gigabytes are unpacked, this takes minutes)",
            "load-image",
            archive_path(target),
            identity,
            str(disk_space.UNPACKED_FACTOR * target.lock.files[target.release.image.file].size),
            reference,
            libraries="images",
            code="IMAGE_LOAD",
            timeout=7200,
            resource="load",
        )
    yield RemoteJob(
        "tagging the image", "tag-image", identity, reference, code="IMAGE_LOAD", libraries="images"
    )


STAGE = Stage("image", decide, act, "IMAGE_LOAD")


@operation()
def loaded(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """The image of the lock is in the engine, under the release's reference."""
    yield from STAGE.converge(target, options)
