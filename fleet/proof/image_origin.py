"""Whether the image in a registry is the one of the archive, and what is not known of it."""

from __future__ import annotations

from fleet.errors import CodedInputError
from fleet.language import _
from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults
from fleet.registry.client import RegistryClient
from fleet.registry.image import RegistryImage
from fleet.registry.reference import Reference
from fleet.release.files import ReleaseDocument

FIELD = ("image", "registry")
#: how long a registry may take to answer if there is an archive as well
COMPARE_TIMEOUT_S = 10


def read_registry_image(document: ReleaseDocument, architecture: str) -> RegistryImage | None:
    """Read the manifest and the configuration of an image that comes from a registry only.

    Args:
        document: The release.
        architecture: Docker's name of the processor architecture of its drivers.

    Returns:
        The image; None if the release has an archive, which shows more.

    Raises:
        CodedInputError: The registry cannot be reached, or has no such image; with file and line.
    """
    image = document.release.image
    if image.file or not image.registry:
        return None
    try:
        return RegistryClient(Reference.parse(image.registry)).read_image(architecture)
    except CodedInputError as error:
        place = document.describe_place(FIELD)
        raise CodedInputError(error.failure.code, f"{place}: {error.failure.detail}") from error


def check_image_origin(inputs: ProofInputs, results: ProofResults) -> None:
    """Compare the archive with the registry, or say what a registry does not show.

    Args:
        inputs: The files of the release.
        results: Where to record the results.
    """
    image = inputs.release.image
    if not image.registry:
        return
    if not image.file:
        reason = _("the image is in a registry, which does not show the files in its layers")
        results.add_unproved(("image", "python"), reason)
        return
    reference = Reference.parse(image.registry)
    try:
        client = RegistryClient(reference, timeout_s=COMPARE_TIMEOUT_S)
        found = client.read_image(inputs.image.architecture or "amd64")
    except CodedInputError as error:
        if error.failure.code == "IMAGE_NOT_FOUND":
            results.add_finding(FIELD, error.failure.sentence)
        else:
            results.add_unproved(FIELD, error.failure.sentence)
        return
    if found.id != inputs.image.id:
        results.add_finding(
            FIELD,
            _(
                "{reference} is the image {id}, but the archive {file} has {archive_id}: name "
                "the digest that `docker push` printed for this image",
                reference=reference,
                id=found.id,
                file=image.file,
                archive_id=inputs.image.id,
            ),
        )
