"""Where the lab keeps what it makes: everything lies under one directory that can be deleted."""

import os
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
LAB = Path(os.environ.get("LAB_DIR") or SOURCE / ".lab").resolve()
PROJECT = LAB.parent  # the folder that commands are run in: the source, or one beside it

STORE = LAB / "store"  # the artifact store: the vendor's files under the vendor's names
UPSTREAM = LAB / "upstream"  # bare git repositories
RELEASES = LAB / "releases"
BUILD = LAB / "build"  # scratch and caches
SSH = LAB / "ssh"
INVENTORY = LAB / "inventory.yml"

SSH_KEY = SSH / "id_ed25519"
KNOWN_HOSTS = SSH / "known_hosts"


def inside(path: Path) -> str:
    """A path as the inventory writes it: relative to the directory that holds the lab.

    Args:
        path: any path under the lab's directory.

    Returns:
        The relative path, with forward slashes.

    Raises:
        ValueError: the path lies elsewhere.
    """
    return path.relative_to(PROJECT).as_posix()
