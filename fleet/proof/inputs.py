"""What a release is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fleet.proof import container_listing, patched_files
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

    @cached_property
    def patched(self) -> patched_files.PatchedFiles:
        """The files of the container with all patches, and what became of each patch."""
        release, store = self.release, self.store
        files = container_listing.list_files(
            release, store, self.measured.files, self.image, self.trees
        )
        return patched_files.apply_patches(files, release, store, self.trees)
