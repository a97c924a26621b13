"""The folders of a host in which files of releases usually lie before a run."""

from __future__ import annotations

from typing import Annotated

from fleet import paths
from fleet.documents import site_tables
from fleet.documents.types import Model, matching
from fleet.language import N_

FOLDERS_FILE = "usual-folders.yml"
#: absolute path of a folder on a host
HostFolder = Annotated[
    str, matching(r"/([A-Za-z0-9._+@%-]+/?)*", N_("the absolute path of a folder, without blanks"))
]


class UsualFolder(Model):
    """One folder."""

    path: HostFolder
    #: what says that files lie there
    source: str


class UsualFolders(Model):
    """The table of folders, in the order in which they are searched."""

    folders: tuple[UsualFolder, ...]


def load_paths() -> tuple[str, ...]:
    """Load the paths of the usual folders, those of the site first.

    Raises:
        InvalidInput: The file is invalid.
    """
    files = paths.find_existing(FOLDERS_FILE)
    table = site_tables.load_table(UsualFolders, files, {"folders": "path"})
    return tuple(folder.path for folder in table.folders)
