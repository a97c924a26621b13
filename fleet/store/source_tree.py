"""The files of a git source at its locked commit, read from its bundle without a checkout."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fleet.release.model import Source
from fleet.store import git_repositories
from fleet.store.paths import Warn

#: Options of git by which a checkout here has the same bytes as one on a host.
OWN_LINE_ENDS = (
    *("-c", "core.autocrlf=false", "-c", "core.eol=lf"),
    *("-c", f"core.attributesFile={os.devnull}"),
)


@dataclass(frozen=True)
class TreeEntry:
    """A file of a git tree.

    Attributes:
        mode: git's mode: 100644, 100755, 120000 (a symbolic link) or 160000 (a submodule).
        object: id of its content.
    """

    mode: str
    object: str

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link, whose content is the target."""
        return self.mode == "120000"


@dataclass(frozen=True)
class SourceTree:
    """The files of one commit in a bare repository.

    Attributes:
        repository: the repository.
        commit: the commit.
        entries: each file by its path.
        folder: where they are checked out; None if they are read from the repository.
    """

    repository: Path
    commit: str
    entries: dict[str, TreeEntry]
    folder: Path | None = None

    @classmethod
    def open(cls, repository: Path, commit: str) -> SourceTree:
        """List the files of a commit.

        Args:
            repository: a bare repository.
            commit: one of its commits.

        Returns:
            The tree.

        Raises:
            InvalidInput: git fails.
        """
        output = git_repositories.run_git(
            "--git-dir", str(repository), "ls-tree", "-r", "-z", commit
        )
        entries = {}
        for line in filter(None, output.split("\0")):
            about, _tab, path = line.partition("\t")
            mode, _type, identity = about.split()
            entries[path] = TreeEntry(mode, identity)
        return cls(repository, commit, entries)

    def read(self, path: str) -> bytes:
        """Read a file.

        Args:
            path: one of `entries`; a symbolic link is not followed.

        Returns:
            Its content.

        Raises:
            InvalidInput: git fails.
        """
        identity = self.entries[path].object
        if self.folder:
            file = self.folder / path
            is_link = self.entries[path].is_link
            return os.readlink(os.fsencode(file)) if is_link else file.read_bytes()
        return git_repositories.read_git_output(
            "--git-dir", str(self.repository), "cat-file", "blob", identity
        )

    def check_out(self, folder: Path) -> SourceTree:
        """Write all files to a folder, with the line ends that the repository asks for.

        Args:
            folder: it must not exist.

        Returns:
            The same tree, which reads from the folder: much faster if most files are read.

        Raises:
            InvalidInput: git fails.
        """
        folder.mkdir(parents=True)
        index = {"GIT_INDEX_FILE": str(folder.with_name(f"{folder.name}.index"))}
        places = ("--git-dir", str(self.repository), "--work-tree", str(folder))
        for words in (("read-tree", self.commit), ("checkout-index", "--quiet", "--all")):
            git_repositories.run_git(*OWN_LINE_ENDS, *places, *words, environment=index)
        return replace(self, folder=folder)


def open_source(
    source: Source, store: Path, clone: Path, warn: Warn, other_paths: Iterable[str]
) -> tuple[str, SourceTree | None]:
    """Find the commit of a source, and open its files.

    Args:
        source: the source.
        store: folder of the store.
        clone: where the bundle is cloned to; the tree reads from it.
        warn: called with a line for everything that will be missing on hosts.
        other_paths: paths of all sources of the release.

    Returns:
        The full commit and its tree; None without a bundle.

    Raises:
        InvalidInput: the commit does not exist, or the bundle is incomplete.
    """
    commit = git_repositories.resolve_commit(source, store, clone, warn, other_paths)
    return commit, SourceTree.open(clone, commit) if source.bundle else None
