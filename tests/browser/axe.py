"""axe-core, which finds what keeps people from using a page: fetched by npm, pinned, and kept.

No file of it is committed: its license is not this project's.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.lab import paths
from tests.lab.engine import install
from tests.lab.steps import LabError, lock

PACKAGE = "axe-core@4.14.1"
INTEGRITY = (
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2"
    "S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)
ARCHIVE = f"{PACKAGE.replace('@', '-')}.tgz"
MEMBER = "package/axe.min.js"
#: what stops people, and not only hinders them
GRAVE = ("serious", "critical")
RUN = """([where, rules]) => axe.run(where, {
  resultTypes: ['violations'], ...(rules.length ? {runOnly: rules} : {})
}).then(found => found.violations)"""


def integrity(path: Path) -> str:
    """The checksum of a package, as npm writes it."""
    return "sha512-" + b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def fetch(folder: Path) -> Path:
    """The package in a folder; npm fetches it if it is not there.

    Args:
        folder: made if it does not exist.

    Raises:
        LabError: npm cannot fetch it, or it is not the package that is pinned.
    """
    path = folder / ARCHIVE
    with lock("axe"):
        if not path.is_file() or integrity(path) != INTEGRITY:
            install("npm", packages={"npm": "npm"})
            folder.mkdir(parents=True, exist_ok=True)
            words = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
            done = subprocess.run(
                words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
            if done.returncode:
                raise LabError(f"{' '.join(words)} failed:\n{(done.stdout + done.stderr)[-1500:]}")
        if (found := integrity(path)) != INTEGRITY:
            raise LabError(f"{path}: its checksum is {found}, not {INTEGRITY}")
    return path


@cache
def source() -> str:
    """The text of the library."""
    with tarfile.open(fetch(paths.BUILD / "npm")) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        return member.read().decode()


def grave_findings(
    page: Page, where: str = "html", rules: Sequence[str] = ()
) -> list[tuple[str, list[str]]]:
    """Rules that a page breaks gravely, and the elements that break them.

    Args:
        page: the page.
        where: selector of what is looked at.
        rules: the rules that are tried; all of them if there are none.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source())
    found: list[dict[str, Any]] = page.evaluate(RUN, [where, list(rules)])
    return [
        (one["id"], [f"{node['target']} {node['html'][:200]}" for node in one["nodes"]][:5])
        for one in found
        if one["impact"] in GRAVE
    ]
