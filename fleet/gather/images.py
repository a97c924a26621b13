"""Gather images from registries into archives, for hosts that cannot reach the registry."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from fleet.errors import CodedInputError, InvalidInput
from fleet.gather.work import GatherError, GatherOptions, PlanRow, State
from fleet.language import _, text_of
from fleet.registry import archive
from fleet.registry.client import RegistryClient
from fleet.registry.image import RegistryImage
from fleet.registry.reference import Reference
from fleet.release.model import Image, Release
from fleet.store.progress_bar import ProgressBar
from fleet.store.verify import FileProblem


def list_tasks(releases: Iterable[Release], store: Path, options: GatherOptions) -> list[ImageTask]:
    """List the archives of images that are in a registry.

    Args:
        releases: the releases.
        store: folder of the store.
        options: settings of the run.

    Returns:
        A task for each archive.
    """
    images = {release.image.file: release.image for release in releases if release.image.registry}
    return [ImageTask(name, image, store, options) for name, image in images.items() if name]


class ImageTask:
    """An archive to gather.

    Args:
        name: path of the archive in the store.
        image: the image of the release.
        store: folder of the store.
        options: settings of the run.
    """

    def __init__(self, name: str, image: Image, store: Path, options: GatherOptions) -> None:
        self.name, self._image, self._path = name, image, store / name
        self._registry, self._options = image.registry or "", options

    @cached_property
    def _found(self) -> RegistryImage:
        """The image in the registry.

        Raises:
            GatherError: the registry cannot be asked, or does not have it.
        """
        try:
            return RegistryClient(Reference.parse(self._registry)).read_image()
        except CodedInputError as error:
            raise GatherError([FileProblem(self.name, error.failure)]) from error

    def list_notes(self) -> list[str]:
        """There is nothing to tell."""
        return []

    def plan(self) -> PlanRow:
        """Ask the registry for the size.

        Raises:
            GatherError: the registry cannot be asked, or does not have the image.
        """
        if self._path.exists():
            return PlanRow(self.name, self._registry, 0, "present")
        folder = self._path.with_name(f"{self._path.name}.layers")
        parts = [path for path in folder.glob("*") if path.is_file()]
        received = sum(path.stat().st_size for path in parts)
        state: State = "partial" if parts else "missing"
        return PlanRow(self.name, self._registry, max(0, self._found.size - received), state)

    def gather(self, progress: ProgressBar) -> bool:
        """Download the image into its archive.

        Args:
            progress: shows received bytes.

        Returns:
            Whether it was downloaded.

        Raises:
            GatherError: it could not be downloaded.
        """
        if self._path.exists():
            return False
        progress.describe(self.name)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            archive.pull_image(
                self._registry,
                self._path,
                self._image.reference,
                on_bytes=progress.advance,
                retry_delay_s=self._options.retry_delay_s,
            )
        except CodedInputError as error:
            raise GatherError([FileProblem(self.name, error.failure)]) from error
        except (InvalidInput, OSError) as error:
            raise GatherError.from_failure(self.name, "FETCH", text_of(error)) from error
        progress.file_done(self.name, self._path.stat().st_size, _("gathered"))
        return True
