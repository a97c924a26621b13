"""pip's own resolver with the indexes of the operator, for the Python of an image."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.proof.pip_resolver import PipResolver, Wanted, explain_failure
from fleet.text.redact import hide_credentials

#: pip evaluates environment markers for the Python that runs it: it is told about the image's.
#: The first argument has pip, the second one the packages of the image.
PROGRAM = """
import json, runpy, sys
environment = json.loads(sys.argv[3])
sys.path[:0] = sys.argv[1:3]
del sys.argv[1:4]
from pip._vendor.packaging import markers
markers.default_environment = lambda: dict(environment)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
TIMEOUT_S = 3600


#: pip's log of an index that does not answer; 404 is the answer for a package that it does not have
UNREACHABLE = re.compile(r"Could not fetch URL (?!.*\b404\b)(?P<reason>.+?)(?: - skipping)?$", re.M)
MAX_OUTPUT_CHARACTERS = 300


class IndexUnreachable(Exception):
    """An index cannot be asked; the message is pip's."""


@dataclass(frozen=True)
class ChosenFile:
    """A file that pip would install.

    Attributes:
        name: normalized name of the package.
        version: its version.
        requires: what it needs.
        file_name: name of the file.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    file_name: str


@dataclass
class IndexResolver(PipResolver):
    """Calls pip for one image, with indexes.

    Attributes:
        markers: values for environment markers.
        folders: folders of wheels, which are preferred to equal versions of an index.
    """

    markers: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()

    def choose(
        self, wanted: Wanted, pages: Iterable[str] = (), *, use_index: bool
    ) -> list[ChosenFile]:
        """Ask pip what it would install.

        Args:
            wanted: what is asked for.
            pages: pages with links to further wheels (default: none).
            use_index: whether pip asks its indexes, or looks into the folders only.

        Returns:
            The files.

        Raises:
            UnsatisfiedRequirement: there is no version of something.
            ConflictingRequirements: requirements contradict each other.
            IndexUnreachable: an index cannot be asked.
            InvalidInput: pip fails for another reason.
        """
        self.run_pip(*self.prepare_dry_run(wanted), *self._list_links(pages, use_index=use_index))
        return [_describe(entry) for entry in self.read_report()]

    def download(self, chosen: Iterable[ChosenFile], pages: Iterable[str], folder: Path) -> None:
        """Download files.

        Args:
            chosen: what pip has chosen.
            pages: pages with links to further wheels.
            folder: where to put them.

        Raises:
            IndexUnreachable: an index cannot be asked.
            InvalidInput: pip fails for another reason.
        """
        names = [f"{file.name}=={file.version}" for file in chosen]
        self.run_pip(
            *("download", "--quiet", "--no-deps", "--dest", str(folder), *self.arguments),
            *(*self._list_links(pages, use_index=True), *names),
        )

    def _list_links(self, pages: Iterable[str], *, use_index: bool) -> list[str]:
        links = [*map(str, (*self.folders, self.wheels)), *(pages if use_index else ())]
        options = [word for link in links for word in ("--find-links", link)]
        return options if use_index else ["--no-index", *options]

    def run_pip(self, *arguments: str, for_image: bool = True) -> None:
        """Run pip with the operator's configuration.

        Args:
            *arguments: arguments of pip.
            for_image: whether markers are those of the image's Python (default: True).

        Raises:
            UnsatisfiedRequirement: there is no version of something.
            ConflictingRequirements: requirements contradict each other.
            IndexUnreachable: an index cannot be asked.
            InvalidInput: pip fails for another reason.
        """
        folders = [str(self.program_folder), str(self.installed_folder)]
        inner = ("-I", "-S", "-c", PROGRAM, *folders, json.dumps(self.markers))
        begin = [sys.executable, *(inner if for_image else ("-m", "pip"))]
        log = self.folder / "pip.log"
        log.unlink(missing_ok=True)
        options = ["--no-input", "--disable-pip-version-check", "--no-color", "--log", str(log)]
        try:
            done = subprocess.run(
                [*begin, *options, *arguments],
                cwd=self.folder,
                env=os.environ | {"PIP_NO_INPUT": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            values = {"command": arguments[0], "seconds": TIMEOUT_S}
            raise InvalidInput(_("pip {command}: not done within {seconds} s", **values)) from error
        if not done.returncode:
            return
        text = log.read_text(errors="replace") if log.is_file() else ""
        if found := UNREACHABLE.search(text):
            raise IndexUnreachable(hide_credentials(found["reason"])[:MAX_OUTPUT_CHARACTERS])
        explain_failure(hide_credentials(done.stdout + done.stderr))


def _describe(entry: Any) -> ChosenFile:
    about, url = entry["metadata"], str(entry["download_info"]["url"])
    return ChosenFile(
        canonicalize_name(about["name"]),
        str(about["version"]),
        tuple(map(str, about.get("requires_dist") or ())),
        url.partition("#")[0].rpartition("/")[2],
    )
