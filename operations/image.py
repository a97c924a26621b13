"""The vendor's image, identified by its id: a tag or a file name proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyinfra import logger
from pyinfra.api import Host, operation
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
from fleet.registry.host_access import load_access
from fleet.registry.reference import Reference
from fleet.release import host_paths
from fleet.release.target import ReleaseTarget
from operations import disk_space, engine, image_pull
from operations.host import engine_storage, limits
from operations.host.command import HostCommand
from operations.host.context import emit_event
from operations.host.facts import HostFacts
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
from operations.transfer.image_upload import ImageUpload


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
        words = _(
            "load image {reference} ({identity})", reference=reference, identity=identity[:19]
        )
        if comes_from_registry(target, spec.options):
            registry = Reference.parse(target.release.image.registry or "").host
            words = _(
                "pull image {reference} ({identity}) from {registry}",
                reference=reference,
                identity=identity[:19],
                registry=registry,
            )
    elif found.tagged != identity:
        words = _("tag {identity} as {reference}", identity=identity[:19], reference=reference)
    else:
        return Plan()
    return Plan((Action((words,), lambda reprobe: _bring(spec, target, facts, reprobe)),))


def comes_from_registry(target: ReleaseTarget, options: HostOptions) -> bool:
    """Return whether a host that lacks the image pulls it before anything else is tried.

    Args:
        target: The release.
        options: What the inventory says about the host.
    """
    return bool(target.release.image.registry) and options.image_source != "archive"


def build_upload(
    target: ReleaseTarget, options: HostOptions, facts: HostFacts | None = None
) -> ImageUpload | None:
    """Return the upload of the image's archive.

    Args:
        target: The release.
        options: What the inventory says about the host.
        facts: The host, whose layers are left out; None for the whole archive.

    Returns:
        The upload; None if the image comes from a registry only.
    """
    name = target.release.image.file
    if name is None or options.image_source == "registry":
        return None
    local, sha = target.local_file(name)
    file = (local, host_paths.artifact_path(name), sha)
    chains = facts.shareable_chains if facts else frozenset()
    return ImageUpload(target.qualify_title("image"), file, target.lock.image.id, chains)


def _bring(
    spec: HostSpec, target: ReleaseTarget, facts: HostFacts, reprobe: Reprobe
) -> Iterator[HostCommand]:
    reference, identity = target.release.image.reference, target.lock.image.id
    found = facts.releases[target.key]
    if found.tagged and found.tagged != identity:
        yield RemoteJob(
            _("keeping another image under its own tag"),
            "keep-image",
            reference,
            identity,
            code="IMAGE_LOAD",
        )
    if found.image != identity:
        upload = build_upload(target, spec.options, facts)
        is_there = False
        if comes_from_registry(target, spec.options):
            yield from _pull(spec.options, target, upload)
            is_there = reprobe().releases[target.key].image == identity
        if upload and not is_there:
            yield from _load(target, spec.options, upload)
    yield RemoteJob(_("tagging the image"), "tag-image", identity, reference, code="IMAGE_LOAD")


def _pull(
    options: HostOptions, target: ReleaseTarget, upload: ImageUpload | None
) -> Iterator[HostCommand]:
    """Pull the image; with an upload that can follow, no failure of the registry is the host's."""
    registry = Reference.parse(target.release.image.registry or "")
    access = load_access(vars(options), registry.host)
    if access.is_insecure:
        yield image_pull.AllowInsecureRegistry(registry.host)
    archive = next((sha for _local, _dest, sha in upload.files.values()), "") if upload else ""
    yield image_pull.PullImage(registry, target.lock.image.id, access, archive)


def _load(
    target: ReleaseTarget, options: HostOptions, upload: ImageUpload
) -> Iterator[HostCommand]:
    """Yield what loads the image from its archive: first from the layers that the host lacks."""
    yield upload
    load = LoadImage(target, upload)
    yield load
    whole = build_upload(target, options)
    if load.needs_whole_archive and whole:
        yield whole
        yield LoadImage(target, whole)


class LoadImage(RemoteJob):
    """Loads an image from its archive on the host.

    Attributes:
        needs_whole_archive: whether docker did not take an archive without the layers that it has
    """

    def __init__(self, target: ReleaseTarget, upload: ImageUpload) -> None:
        """Prepare the job.

        Args:
            target: the release
            upload: the upload of the archive, after it was run
        """
        ((_local, path, _sha),) = upload.files.values()
        super().__init__(
            _("loading the image (gigabytes are unpacked, this takes minutes)"),
            "load-image",
            path,
            target.lock.image.id,
            str(disk_space.UNPACKED_FACTOR * upload.total_bytes),
            target.release.image.reference,
            code="IMAGE_LOAD",
            timeout=7200,
            resource=limits.LOAD,
        )
        self._upload = upload
        self.needs_whole_archive = False

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        failure = super().run(host, arguments)
        if failure is None:
            self._upload.report_left_out(host)
            return None
        if failure.code != "IMAGE_LOAD" or not self._upload.has_layers_only:
            return failure
        note = _(
            "docker did not take only the layers that it lacks ({sentence}); "
            "the whole archive is sent",
            sentence=failure.sentence,
        )
        logger.warning(f"{host.print_prefix}{note}")
        emit_event(host, "note", text=note)
        self.needs_whole_archive = True
        return None


STAGE = ReleaseStage("image", decide, "IMAGE_LOAD")


@operation()
def loaded(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Load the locked image into the engine, and tag it with the release's reference.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
