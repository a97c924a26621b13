"""pip's own resolver on the packages of an image and the wheels of a store.

pip runs on this machine and installs nothing. It sees the image's packages as installed, and the
wheels as files that only have their metadata: it would hash whole wheels, and evaluate markers for
the Python that runs it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.proof.pip_packages import Package

TIMEOUT_S = 600
#: Runs pip without the packages of this Python: the first argument has pip, the second packages.
PROGRAM = (
    "import runpy, sys; sys.path[:0] = sys.argv[1:3]; del sys.argv[1:3]; "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)
NO_VERSION = re.compile(
    r"Could not find a version that satisfies the requirement (?P<text>.+?) \(from "
)
#: what it says of each requirement in a conflict
CAUSE = re.compile(r"(?:The user requested|depends on) ([^;\n]+)")
CONFLICT = re.compile(r"The conflict is caused by:\n(?P<lines>(?:[ \t]+.+\n?)+)")


class UnsatisfiedRequirement(Exception):
    """pip finds no version of something.

    Attributes:
        requirement: what it looked for.
    """

    def __init__(self, requirement: str) -> None:
        super().__init__(requirement)
        self.requirement = requirement


class ConflictingRequirements(Exception):
    """pip finds no versions that fit together; the message says what asks for which.

    Attributes:
        requirements: the requirements.
    """

    def __init__(self, causes: str) -> None:
        super().__init__(causes)
        self.requirements = CAUSE.findall(causes)


@dataclass(frozen=True)
class Wanted:
    """What one call of `pip install` asks for.

    Attributes:
        requirements: requirements without markers, and paths of wheels.
        constraints: requirements that only limit versions.
        upgrade: whether newer versions replace installed ones.
        no_deps: whether dependencies are left out.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    upgrade: bool = False
    no_deps: bool = False


@dataclass
class PipResolver:
    """Calls pip for one image.

    Attributes:
        folder: an empty folder for its files.
        arguments: arguments that make pip choose wheels for the image's Python.
        installed: what is installed, by normalized name.
    """

    folder: Path
    arguments: list[str]
    installed: dict[str, Package] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Create the folders."""
        for path in (self.wheels, self.installed_folder, self.program_folder):
            path.mkdir()
        (self.program_folder / "pip").symlink_to(_find_pip())

    @property
    def wheels(self) -> Path:
        """The folder that pip finds wheels in."""
        return self.folder / "wheels"

    @property
    def report(self) -> Path:
        """The file that pip writes its report to."""
        return self.folder / "report.json"

    @property
    def installed_folder(self) -> Path:
        """The folder of the packages that count as installed."""
        return self.folder / "installed"

    @property
    def program_folder(self) -> Path:
        """The folder that pip itself is imported from."""
        return self.folder / "program"

    def install(self, packages: Iterable[Package]) -> None:
        """Count packages as installed.

        Args:
            packages: the packages; they replace others of the same name.
        """
        for package in packages:
            self.uninstall(package.name)
            package.write_installed(self.installed_folder)
            self.installed[package.name] = package

    def uninstall(self, name: str) -> None:
        """Count a package as not installed.

        Args:
            name: its name.
        """
        if package := self.installed.pop(canonicalize_name(name), None):
            name = package.name.replace("-", "_")
            shutil.rmtree(self.installed_folder / f"{name}-{package.version}.dist-info")

    def resolve(self, wanted: Wanted) -> list[tuple[str, str]]:
        """Ask pip what it would install.

        Args:
            wanted: what is asked for.

        Returns:
            Normalized name and version of each package.

        Raises:
            UnsatisfiedRequirement: there is no version of something.
            ConflictingRequirements: requirements contradict each other.
            InvalidInput: pip fails for another reason.
        """
        self._run(*self.prepare_dry_run(wanted), "--no-index", "--find-links", str(self.wheels))
        entries = [entry["metadata"] for entry in self.read_report()]
        return [(canonicalize_name(entry["name"]), str(entry["version"])) for entry in entries]

    def prepare_dry_run(self, wanted: Wanted) -> list[str]:
        """Write the files that a call of pip reads.

        Args:
            wanted: what is asked for.

        Returns:
            The arguments of `pip` that make it report what it would install; those that say
            where it finds packages are not among them.
        """
        requirements = self.folder / "requirements.txt"
        constraints = self.folder / "constraints.txt"
        requirements.write_text("".join(f"{text}\n" for text in wanted.requirements))
        constraints.write_text("".join(f"{text}\n" for text in wanted.constraints))
        options = ["--no-deps"] if wanted.no_deps else []
        options += ["--upgrade"] if wanted.upgrade else []
        return [
            *("install", "--dry-run", "--report", str(self.report), *self.arguments, *options),
            *("--constraint", str(constraints), "--requirement", str(requirements)),
        ]

    def read_report(self) -> list[dict[str, Any]]:
        """Read what pip would install, after a call with :meth:`prepare_dry_run`.

        Returns:
            An entry for each package, as pip's installation report has it.
        """
        entries: list[dict[str, Any]] = json.loads(self.report.read_text())["install"]
        return entries

    def _run(self, *arguments: str) -> None:
        settings = {"PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR"}
        environment = {name: value for name, value in os.environ.items() if name in settings}
        environment |= {"PIP_CONFIG_FILE": os.devnull, "HOME": str(self.folder)}
        folders = [str(self.program_folder), str(self.installed_folder)]
        begin = [sys.executable, "-I", "-S", "-c", PROGRAM, *folders]
        options = ["--isolated", "--no-input", "--no-cache-dir", "--disable-pip-version-check"]
        try:
            result = subprocess.run(
                [*begin, *options, "--no-color", *arguments],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InvalidInput(
                _("pip resolves for more than {seconds} s: give versions", seconds=TIMEOUT_S)
            ) from error
        if result.returncode:
            explain_failure(result.stdout + result.stderr)


def explain_failure(output: str) -> None:
    """Raise what pip's messages mean.

    Args:
        output: what pip printed before it failed.

    Raises:
        UnsatisfiedRequirement: there is no version of something.
        ConflictingRequirements: requirements contradict each other.
        InvalidInput: pip failed for another reason.
    """
    if found := NO_VERSION.search(output):
        raise UnsatisfiedRequirement(found["text"])
    if found := CONFLICT.search(output):
        raise ConflictingRequirements("; ".join(map(str.strip, found["lines"].splitlines())))
    errors = [line for line in output.splitlines() if line.startswith("ERROR")] or [output[-500:]]
    raise InvalidInput(_("pip cannot resolve packages: {errors}", errors="; ".join(errors).strip()))


def _find_pip() -> Path:
    """Return the folder of pip's own package."""
    specification = importlib.util.find_spec("pip")
    if specification is None or not specification.origin:
        raise InvalidInput(
            _(
                "{executable}: pip is missing, which resolves the wheels of releases: "
                "install it with `{executable} -m ensurepip`, or install mlu-fleet "
                "again",
                executable=sys.executable,
            )
        )
    return Path(specification.origin).parent
