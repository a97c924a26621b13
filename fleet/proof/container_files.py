"""The files of the container as a release will make it, without making it.

They come from the sources, their migrated trees, the weights, the patches and the image. A mount
that none of these fills is empty, as far as the release is concerned. `container_listing.py` lists
them, this module looks for one.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from enum import Enum

from fleet.language import _
from fleet.proof.file_content import ContainerFile, create_unreadable_file
from fleet.release import endpoints, host_paths
from fleet.release.model import Release, Weights
from fleet.store.image_archive import Image
from fleet.store.image_files import format_nearest
from fleet.text import suggestions

MAX_NEAREST = 3
#: What every container has beside its image and mounts: of the kernel, and of mlu-fleet.
RUNTIME_PATHS = ("/dev", "/proc", "/sys", "/usr/bin/cnmon", host_paths.SHARED_IN_CONTAINER)

#: What the container of a release that is served has: its key, if there is one, and the program.
SERVE_FILES = frozenset(
    f"{host_paths.SERVE_IN_CONTAINER}/{name}"
    for name in ("key", *(file.name for file in endpoints.list_serving_files()))
)


class Presence(Enum):
    """Whether a path exists in the container."""

    FILE = "file"
    FOLDER = "folder"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Lookup:
    """What is known of a path.

    Attributes:
        presence: whether it exists.
        file: the file, if its origin is known.
        reason: why it is missing or unknown, with the nearest paths that exist.
    """

    presence: Presence
    file: ContainerFile | None = None
    reason: str = ""


@dataclass
class ContainerFiles:
    """The files below the mounts of a container, and what is known of its image.

    Attributes:
        release: the release.
        image: the image.
        files: each file by its absolute path in the container.
        folders: folders of these files, and mounts.
        unreadable: folders whose files cannot be known here, each with the reason.
    """

    release: Release
    image: Image
    files: dict[str, ContainerFile] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"/"})
    unreadable: dict[str, str] = field(default_factory=dict)

    def find_canonical(self, path: str) -> str:
        """Return the one path of a file that several mounts may show.

        Args:
            path: Absolute path in the container.
        """
        path = posixpath.normpath(path)
        if not self.release.container.is_mounted(path):
            return path
        host_path = host_paths.to_host_path(self.release, path)
        return host_paths.to_container_path(self.release, host_path) or path

    def add(self, path: str, file: ContainerFile) -> None:
        """Add a file, or replace the one at the same path.

        Args:
            path: Absolute path in the container.
            file: The file.
        """
        path = self.find_canonical(path)
        self.files[path] = file
        self.add_folder(posixpath.dirname(path))

    def add_folder(self, path: str) -> None:
        """Add a folder and those that it is in.

        Args:
            path: Absolute path in the container.
        """
        while path not in self.folders:
            self.folders.add(path)
            path = posixpath.dirname(path)

    def find_weights_folder(self, weights: Weights) -> str | None:
        """Return the folder in which a program in the container finds weights.

        Args:
            weights: Weights of the release.

        Returns:
            The absolute path; None if no mount shows them.
        """
        return host_paths.to_container_path(self.release, weights.target)

    def find_projects(self, project_files: tuple[str, ...]) -> list[str]:
        """List the folders with one of some files.

        Args:
            project_files: Names of the files.

        Returns:
            The folders, shortest path first.
        """
        folders = {
            posixpath.dirname(path)
            for path in self.files
            if posixpath.basename(path) in project_files
        }
        return sorted(folders, key=len)

    def look_up(self, path: str) -> Lookup:
        """Look for a path in the container.

        Args:
            path: Absolute path.

        Returns:
            What is known of it.
        """
        path = self.find_canonical(path)
        if file := self.files.get(path):
            return Lookup(Presence.FILE, file)
        if path in self.folders:
            return Lookup(Presence.FOLDER)
        for folder, reason in self.unreadable.items():
            if path == folder or path.startswith(f"{folder}/"):
                return Lookup(Presence.UNKNOWN, reason=reason)
        if self.release.serve and path in SERVE_FILES:
            return Lookup(
                Presence.FILE, create_unreadable_file("mlu-fleet", _("mlu-fleet places it"))
            )
        if any(f"{path}/".startswith(f"{folder}/") for folder in RUNTIME_PATHS):
            return Lookup(Presence.UNKNOWN, reason=_("it is there only while the container runs"))
        if self.release.container.is_mounted(path):
            return Lookup(Presence.MISSING, reason=self._explain_missing(path))
        return self._look_up_in_image(path)

    def _explain_missing(self, path: str) -> str:
        near = self.find_nearest(path)
        return _("nothing of the release puts it there{nearest}", nearest=format_nearest(near))

    def find_nearest(self, path: str) -> list[str]:
        """Find the paths that may have been meant by one that does not exist.

        Args:
            path: Absolute path.

        Returns:
            At most :data:`MAX_NEAREST`: those of the same name, then similar ones in the deepest
            folder of the path that exists.
        """
        name = posixpath.basename(path)
        all_paths = (*self.files, *self.folders)
        same = [other for other in all_paths if posixpath.basename(other) == name]
        same.sort(key=lambda other: -len(posixpath.commonprefix([other, path])))
        parent, wanted = path, ""
        while parent not in self.folders:
            parent, wanted = posixpath.split(parent)
        siblings = {other: posixpath.basename(other) for other in self._list_inner(parent)}
        similar = suggestions.find_similar(wanted, siblings.values())
        near = [f"{parent.rstrip('/')}/{word}" for word in similar]
        return list(dict.fromkeys([*same, *near]))[:MAX_NEAREST]

    def _list_inner(self, folder: str) -> list[str]:
        return [path for path in (*self.files, *self.folders) if posixpath.dirname(path) == folder]

    def _look_up_in_image(self, path: str) -> Lookup:
        """Look for a path that belongs to the image, or to packages that are installed in it."""
        files = self.image.files
        if files is None:
            return Lookup(Presence.UNKNOWN, reason=_("the files of the image are not known here"))
        if files.is_folder(path):
            return Lookup(Presence.FOLDER)
        if files.has_path(path):
            reason = _("it is a file of the image, whose content is not read")
            return Lookup(Presence.FILE, create_unreadable_file(_("the image"), reason))
        prefix = posixpath.dirname(posixpath.dirname(self.release.image.python))
        if path.startswith(f"{prefix.rstrip('/')}/"):
            return Lookup(
                Presence.UNKNOWN, reason=_("the image has no such file; a package may install it")
            )
        return Lookup(
            Presence.MISSING,
            reason=_("the image does not have it{nearest}", nearest=files.format_nearest(path)),
        )
