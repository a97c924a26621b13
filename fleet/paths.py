"""Where the tool's own files are, and the files of a site that override them.

A clone has its files in `files/`; an installed wheel has them in `fleet/packaged/`. A site folder
(`mlufleet init` makes one) is the working folder of a run: its `files/` adds releases and rows of
tables, or replaces those of the same name.
"""

from __future__ import annotations

import os
from pathlib import Path

#: The folder that contains the packages: a clone, or `site-packages`.
CODE_ROOT = Path(__file__).resolve().parents[1]
_PACKAGED = CODE_ROOT / "fleet" / "packaged"
#: Where `files/`, `deploy.py`, `docs/` and the like are.
PROJECT_ROOT = _PACKAGED if _PACKAGED.is_dir() else CODE_ROOT
FILES_FOLDER = PROJECT_ROOT / "files"
#: Files below `PROJECT_ROOT` that a run or the environment needs; in every wheel and bundle.
PROJECT_FILES = (
    "LICENSE",
    "README.md",
    "config.py",
    "deploy.py",
    "docs/*.md",
    "files/**/*",
    "inventories/*.example.*",
    "inventories/fleet.py",
    "inventories/group_data/*.py",
    "pyproject.toml",
    "requirements.lock",
    "setup.py",
)
#: A site's own files, relative to the working folder.
SITE_FILES_FOLDER = Path("files")
#: folder of a site in which its inventories are
INVENTORIES_FOLDER = "inventories"
#: file of a site with its hosts in quarantine
QUARANTINE_FILE = "quarantine.yml"


def find_quarantine_file(inventory: str | Path) -> Path:
    """Return where the quarantines of an inventory's hosts are kept: in the folder of its site.

    That is the folder above `inventories`, or else the one that the inventory is in. Links are
    followed, so that all names of one inventory lead to the same file.

    Args:
        inventory: File of the inventory.
    """
    folder = Path(os.path.realpath(inventory)).parent
    if folder.name == INVENTORIES_FOLDER:
        folder = folder.parent
    return folder / QUARANTINE_FILE


def is_site() -> bool:
    """Return whether the working folder has a `files/` that is not the tool's own."""
    return os.path.isdir(SITE_FILES_FOLDER) and SITE_FILES_FOLDER.resolve() != FILES_FOLDER


def find_candidates(name: str) -> list[Path]:
    """Return where a file may be, in order of precedence: the site's, then the tool's own.

    Args:
        name: Its path below `files/`, such as `releases/baichuan-7b.yml`.
    """
    site = [SITE_FILES_FOLDER / name] if is_site() else []
    return [*site, FILES_FOLDER / name]


def find_existing(name: str) -> list[Path]:
    """Return the candidates that exist, in order of precedence.

    Args:
        name: The path of a file or folder below `files/`.
    """
    return [path for path in find_candidates(name) if path.exists()]


def new_file_path(name: str) -> Path:
    """Return where a user's new file belongs: in the site, or in the clone that is worked in.

    Args:
        name: Its path below `files/`.
    """
    installed = PROJECT_ROOT != CODE_ROOT
    return (SITE_FILES_FOLDER if installed or is_site() else FILES_FOLDER) / name


def writable_path(path: Path) -> Path:
    """Return where a file belongs that is written next to another one.

    An installed wheel is replaced as a whole and may be read-only: what would be next to one of its
    files is in the working folder instead.

    Args:
        path: The file, next to the one it belongs to.
    """
    if path.is_absolute() and path.is_relative_to(_PACKAGED):
        return path.relative_to(_PACKAGED)
    return path
