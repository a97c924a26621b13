"""The files of an image: the entries of its layers, put on one another as docker does it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from difflib import SequenceMatcher
from sys import intern
from typing import TypeAlias

from fleet.language import _
from fleet.text.word_lists import join_words

#: An entry of a folder: a folder, the target of a symbolic link, or another file.
Entry: TypeAlias = "dict[str, Entry] | str | None"
Folder: TypeAlias = "dict[str, Entry]"

#: Names by which an upper layer removes a file, or everything in a folder, of the layers below it
#: (OCI image specification, "Whiteouts").
WHITEOUT_PREFIX, OPAQUE_MARKER = ".wh.", ".wh..wh..opq"
#: Symbolic links that are followed for one path, as Linux limits them.
MAX_LINKS = 40
#: Files of one image that are kept. The vendor's images have up to 300,000.
MAX_FILES = 2_000_000
MAX_NEAREST = 3


def _normalize(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")


class ImageFiles:
    """The files of an image, as a process in its container sees them.

    Paths are absolute; symbolic links are followed in all of them. One entry costs about 100 bytes.
    """

    def __init__(self) -> None:
        """Create an image without files."""
        self._root: Folder = {}
        self._parent_path, self._parent = "", self._root
        self.count = 0

    def add(self, path: str, entry: Entry) -> None:
        """Add an entry of a layer's archive.

        Args:
            path: Normalized path relative to the root.
            entry: An empty folder, the target of a symbolic link, or None for another file.
        """
        if path in ("", ".", "..") or path.startswith("../"):
            return
        self.count += 1
        parent_path, _slash, name = path.rpartition("/")
        if parent_path != self._parent_path:  # archives list the files of a folder together
            self._parent_path, self._parent = parent_path, self._make_folder(parent_path)
        if not (isinstance(entry, dict) and isinstance(self._parent.get(name), dict)):
            self._parent[intern(name)] = entry

    def _make_folder(self, path: str) -> Folder:
        folder = self._root
        for name in filter(None, path.split("/")):
            inner = folder.get(name)
            if not isinstance(inner, dict):
                inner = folder[intern(name)] = {}
            folder = inner
        return folder

    def put_layer(self, layer: ImageFiles) -> None:
        """Put a layer over the files.

        Args:
            layer: The entries of the layer, with its whiteouts.
        """
        self.count += layer.count
        pairs = [(self._root, layer._root)]
        while pairs:
            lower, upper = pairs.pop()
            if OPAQUE_MARKER in upper:
                lower.clear()
            for name in upper:
                if name.startswith(WHITEOUT_PREFIX):
                    lower.pop(name.removeprefix(WHITEOUT_PREFIX), None)
            for name, entry in upper.items():
                if name.startswith(WHITEOUT_PREFIX):
                    continue
                if isinstance(entry, dict):
                    below = lower.get(name)
                    if not isinstance(below, dict):
                        below = lower[name] = {}
                    pairs.append((below, entry))
                else:
                    lower[name] = entry

    def resolve(self, path: str) -> str | None:
        """Follow the symbolic links in a path.

        Args:
            path: Absolute path.

        Returns:
            The absolute path of what it leads to; None if there is nothing.
        """
        last = self.follow(path)[-1]
        parent, _slash, name = last.rpartition("/")
        folder = self._get_folder(parent)
        is_there = not name or (folder is not None and name in folder)
        return last if is_there and not self._replace_link(last) else None

    def follow(self, path: str) -> list[str]:
        """List the paths that a path leads to, one symbolic link after the other.

        Args:
            path: Absolute path.

        Returns:
            The path itself first; the last one may not exist.
        """
        paths = [_normalize(path)]
        while len(paths) <= MAX_LINKS and (following := self._replace_link(paths[-1])):
            paths.append(following)
        return paths

    def _replace_link(self, path: str) -> str:
        """Replace the first symbolic link in a path by its target; "" if there is none."""
        folder, names = self._root, path.strip("/").split("/")
        for number, name in enumerate(names):
            entry = folder.get(name)
            if isinstance(entry, str):
                return _normalize(posixpath.join("/", *names[:number], entry, *names[number + 1 :]))
            if entry is None:
                break
            folder = entry
        return ""

    def _get_folder(self, path: str) -> Folder | None:
        """Return the folder at a path without symbolic links."""
        folder = self._root
        for name in filter(None, path.split("/")):
            inner = folder.get(name)
            if not isinstance(inner, dict):
                return None
            folder = inner
        return folder

    def has_path(self, path: str) -> bool:
        """Tell whether a file or folder exists.

        Args:
            path: Absolute path.

        Returns:
            Whether it leads to something.
        """
        return self.resolve(path) is not None

    def is_folder(self, path: str) -> bool:
        """Tell whether a path leads to a folder.

        Args:
            path: Absolute path.

        Returns:
            Whether it does.
        """
        return self._get_folder(self.follow(path)[-1]) is not None

    def list_folder(self, path: str) -> list[str]:
        """List the names in a folder.

        Args:
            path: Absolute path.

        Returns:
            The names, sorted; empty if there is no such folder.
        """
        return sorted(self._get_folder(self.follow(path)[-1]) or ())

    def list_paths(self) -> Iterator[str]:
        """Yield the absolute path of every file that is not a folder, in no order."""
        folders = [("", self._root)]
        while folders:
            parent, folder = folders.pop()
            for name, entry in folder.items():
                if isinstance(entry, dict):
                    folders.append((f"{parent}/{name}", entry))
                else:
                    yield f"{parent}/{name}"

    def find_nearest(self, path: str) -> list[str]:
        """Find the files that may have been meant by a path that does not exist.

        Args:
            path: Absolute path.

        Returns:
            At most :data:`MAX_NEAREST` paths: files of the same name, and similar names in the
            deepest folder of the path that exists; the most similar first.
        """
        parent, _slash, base = path.rpartition("/")
        candidates = {found for found in self.list_paths() if found.endswith(f"/{base}")}
        while parent and not self.is_folder(parent):
            parent = parent.rpartition("/")[0]
        similar = {f"{parent}/{name}" for name in self.list_folder(parent or "/")}
        ranked = [
            (SequenceMatcher(None, path, found).ratio(), found) for found in candidates | similar
        ]
        near = [(-r, found) for r, found in ranked if found in candidates or r >= 0.8]
        return [found for _distance, found in sorted(near)[:MAX_NEAREST]]

    def format_nearest(self, path: str) -> str:
        """Format the nearest paths as the end of an error message.

        Args:
            path: Absolute path that does not exist.

        Returns:
            For example "; nearest: /usr/bin/python3", or "" if none is near.
        """
        return format_nearest(self.find_nearest(path))


def format_nearest(paths: list[str]) -> str:
    """Format paths that may have been meant as the end of an error message.

    Args:
        paths: The paths.

    Returns:
        For example "; nearest: /usr/bin/python3", or "" if there are none.
    """
    return _("; nearest: {names}", names=join_words(paths)) if paths else ""
