"""The vendor's image, known by its id: a tag or a file name proves nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.release import host_paths
from fleet.release.target import Wanted
from operations import disk_space, engine, engine_storage
from operations.host.facts import HostState
from operations.host.job import Step
from operations.stage import Body, Decision, Options, Stage
from operations.transfer.upload import Upload


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    reference, identity = wanted.release.image.reference, wanted.lock.image.id
    if silent := engine.unanswered(wanted, state):
        return silent
    if state.image != identity:
        # preflight could not know it of an engine that was not running yet
        archive = wanted.lock.files[wanted.release.image.file]
        bad = engine_storage.wrong(state.storage, disk_space.FILES * archive.size)
        if short := bad or disk_space.short(wanted, state):
            return short
        return [f"load image {reference} ({identity[:19]})"]
    if state.tagged != identity:
        return [f"tag {identity[:19]} as {reference}"]
    return []


def placed(wanted: Wanted) -> str:
    """Where the archive is on the host."""
    return f"{host_paths.STATE}/artifacts/{wanted.release.image.file}"


def upload(wanted: Wanted) -> Upload:
    local, sha = wanted.local(wanted.release.image.file)
    return Upload(wanted.titled("image"), [(local, placed(wanted), sha)])


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    reference, identity = wanted.release.image.reference, wanted.lock.image.id
    if state.tagged and state.tagged != identity:
        yield Step(
            "keeping another image under its own tag",
            "keep-image",
            reference,
            identity,
            code="IMAGE_LOAD",
            uses="images",
        )
    if state.image != identity:
        yield upload(wanted)
        yield Step(
            "loading the image (gigabytes are unpacked, this takes minutes)",
            "load-image",
            placed(wanted),
            identity,
            str(disk_space.UNPACKED * wanted.lock.files[wanted.release.image.file].size),
            reference,
            uses="images",
            code="IMAGE_LOAD",
            timeout=7200,
            resource="load",
        )
    yield Step(
        "tagging the image", "tag-image", identity, reference, code="IMAGE_LOAD", uses="images"
    )


STAGE = Stage("image", decide, act, "IMAGE_LOAD")


@operation()
def loaded(wanted: Wanted, options: Options) -> Body:
    """The image of the lock is in the engine, under the release's reference."""
    yield from STAGE.carry(wanted, options)
