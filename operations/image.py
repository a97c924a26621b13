"""The vendor's image, identified by its id: a tag or a file name proves nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.registry.host_access import load_access
from fleet.registry.reference import Reference
from fleet.release import host_paths
from fleet.release.target import ReleaseTarget
from operations import disk_space, engine, image_pull
from operations.host import engine_storage
from operations.host.command import HostCommand
from operations.host.facts import HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.stage import (
    Action,
    Decision,
    HostOptions,
    HostSpec,
    OperationCommands,
    Plan,
    ReleaseStage,
    Reprobe,
)
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
        unpacked = disk_space.IMAGE_FILES_FACTOR * target.image_bytes
        failure = engine_storage.check_image_support(facts.storage, unpacked)
        if failure := failure or disk_space.check_free_space(
            spec.target, facts, spec.options.image_source
        ):
            return failure
        words = f"load image {reference} ({identity[:19]})"
        if comes_from_registry(target, spec.options):
            registry = Reference.parse(target.release.image.registry or "").host
            words = f"pull image {reference} ({identity[:19]}) from {registry}"
    elif found.tagged != identity:
        words = f"tag {identity[:19]} as {reference}"
    else:
        return Plan()
    return Plan((Action((words,), lambda reprobe: _bring(spec, target, found, reprobe)),))


def comes_from_registry(target: ReleaseTarget, options: HostOptions) -> bool:
    """Return whether a host that lacks the image pulls it before anything else is tried.

    Args:
        target: The release.
        options: What the inventory says about the host.
    """
    return bool(target.release.image.registry) and options.image_source != "archive"


def build_upload(target: ReleaseTarget, options: HostOptions) -> Upload | None:
    """Return the upload of the image's archive.

    Args:
        target: The release.
        options: What the inventory says about the host.

    Returns:
        The upload; None if the image comes from a registry only.
    """
    name = target.release.image.file
    if name is None or options.image_source == "registry":
        return None
    local, sha = target.local_file(name)
    path = host_paths.artifact_path(name)
    return Upload(target.qualify("image"), [(local, path, sha)])


def _bring(
    spec: HostSpec, target: ReleaseTarget, found: ReleaseFacts, reprobe: Reprobe
) -> Iterator[HostCommand]:
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
        upload = build_upload(target, spec.options)
        is_there = False
        if comes_from_registry(target, spec.options):
            yield from _pull(spec.options, target, upload)
            is_there = reprobe().releases[target.key].image == identity
        if upload and not is_there:
            yield upload
            yield _load(target, upload)
    yield RemoteJob("tagging the image", "tag-image", identity, reference, code="IMAGE_LOAD")


def _pull(
    options: HostOptions, target: ReleaseTarget, upload: Upload | None
) -> Iterator[HostCommand]:
    """Pull the image; with an upload that can follow, no failure of the registry is the host's."""
    registry = Reference.parse(target.release.image.registry or "")
    access = load_access(vars(options), registry.host)
    if access.is_insecure:
        yield image_pull.AllowInsecureRegistry(registry.host)
    archive = next((sha for _, _, sha in upload.files.values()), "") if upload else ""
    yield image_pull.PullImage(registry, target.lock.image.id, access, archive)


def _load(target: ReleaseTarget, upload: Upload) -> RemoteJob:
    """Return the job that loads the image from its archive on the host."""
    ((_, path, _),) = upload.files.values()
    return RemoteJob(
        "loading the image (gigabytes are unpacked, this takes minutes)",
        "load-image",
        path,
        target.lock.image.id,
        str(disk_space.UNPACKED_FACTOR * target.image_bytes),
        target.release.image.reference,
        code="IMAGE_LOAD",
        timeout=7200,
        resource="load",
    )


STAGE = ReleaseStage("image", decide, "IMAGE_LOAD")


@operation()
def loaded(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Load the locked image into the engine, and tag it with the release's reference.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
