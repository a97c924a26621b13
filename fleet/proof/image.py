"""Compare what a release says of its image with the files and labels of the image."""

from __future__ import annotations

import re

from fleet.documents.field_errors import Location
from fleet.language import _
from fleet.proof.container_files import Presence
from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults
from fleet.store import image_archive
from fleet.store.image_archive import Image
from fleet.text.word_lists import join_words

#: The vendor's label with the version of Python.
PYTHON_LABEL = "com.cambricon.python"


def describe_unread_layers(image: Image) -> str:
    """Explain why the files of an image are not known.

    Args:
        image: an image whose `files` is None.

    Returns:
        One clause.
    """
    layers = image.unread_layers
    if not layers:
        return _("the image is in a registry, which does not show the files in its layers")
    return _(
        "{count} of the image's layers cannot be unpacked here ({layers:.80}): "
        "zstd needs Python 3.14 or newer on the controller",
        count=len(layers),
        layers=join_words(layers),
    )


def check_image(inputs: ProofInputs, results: ProofResults) -> None:
    """Check that the interpreter and the migration tool are in the image.

    Args:
        inputs: the release and its files.
        results: takes the results.
    """
    release, image = inputs.release, inputs.image
    if release.image.file:
        try:
            image_archive.check_tag(image, release.image.reference)
        except image_archive.ImageArchiveError as error:
            archive = inputs.store / release.image.file
            results.add_finding(("image", "reference"), f"{archive}: {error}")
    _check_file(inputs, results, ("image", "python"), release.image.python)
    if release.migration:
        _check_file(inputs, results, ("migration", "tool"), release.migration.tool)
    labelled = re.match(r"3\.\d+", image.labels.get(PYTHON_LABEL, ""))
    if not image.python_version:
        results.add_unproved(
            ("image", "python"), _("neither its path nor its files tell its version")
        )
    elif labelled and labelled[0] != image.python_version:
        results.add_warning(
            ("image", "python"),
            _(
                "it is Python {version}, but the image's label {label} says {labelled}",
                version=image.python_version,
                label=PYTHON_LABEL,
                labelled=labelled[0],
            ),
        )


def _check_file(inputs: ProofInputs, results: ProofResults, location: Location, path: str) -> None:
    """Check a file that the image has before packages are installed in it."""
    files = inputs.image.files
    if inputs.release.container.is_mounted(path):
        found = inputs.patched.files.look_up(path)
        if found.presence is Presence.MISSING:
            results.add_finding(
                location, _("{what} is missing: {reason}", what=path, reason=found.reason)
            )
        elif found.presence is Presence.UNKNOWN:
            results.add_unproved(location, _("{what}: {reason}", what=path, reason=found.reason))
    elif files is None:
        if inputs.image.unread_layers:
            results.add_unproved(location, describe_unread_layers(inputs.image))
    elif files.is_folder(path):
        results.add_finding(location, _("{path} is a folder of the image, not a file", path=path))
    elif not files.has_path(path):
        results.add_finding(
            location,
            _("{path} is not in the image{nearest}", path=path, nearest=files.format_nearest(path)),
        )
