"""What a release is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fleet.release.model import Release
from fleet.store.image_archive import Image
from fleet.store.measure import MeasuredStore
from fleet.store.source_tree import SourceTree


@dataclass(frozen=True)
class ProofInputs:
    """The files of a release, opened.

    Attributes:
        release: the release.
        store: folder of the store.
        measured: the files of the store.
        trees: the files of each source by its name; None for a source without a bundle.
    """

    release: Release
    store: Path
    measured: MeasuredStore
    trees: dict[str, SourceTree | None]

    @property
    def image(self) -> Image:
        """The image, as far as its archive shows it."""
        return self.measured.image
