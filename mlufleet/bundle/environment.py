"""The tool's own environment as wheels, so that another site can build it without an index."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fleet.errors import InvalidInput
from fleet.language import _

#: package that builds the tool itself after unpacking
BUILD_BACKEND = "setuptools"


def collect_dependencies(package: str = "mlu-fleet") -> set[str]:
    """Collect the packages that a package needs on this Python and platform, without extras.

    Args:
        package: name of an installed package (default: this tool).

    Returns:
        Normalized names, also of indirect dependencies.

    Raises:
        InvalidInput: a dependency is not installed.
    """
    names: set[str] = set()
    queue = [package]
    while queue:
        try:
            requirements = requires(queue.pop()) or []
        except PackageNotFoundError as error:
            raise InvalidInput(
                _(
                    "{requirement}: this environment is incomplete: pip install it",
                    requirement=error,
                )
            ) from error
        for requirement in map(Requirement, requirements):
            name = canonicalize_name(requirement.name)
            applies = not requirement.marker or requirement.marker.evaluate({"extra": ""})
            if name not in names and applies:
                names.add(name)
                queue.append(name)
    return names


def filter_lock(lock: str, names: set[str]) -> str:
    """Select packages of a requirements lock.

    Args:
        lock: text of the lock.
        names: normalized names.

    Returns:
        The lines of these packages with their hashes.
    """
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock)
    kept = [b for b in blocks if canonicalize_name(re.split(r"[=\[ ]", b, maxsplit=1)[0]) in names]
    return "\n".join(kept) + "\n"


def build_wheels(lock: Path, folder: Path) -> None:
    """Fill a folder with wheels for this Python and platform, each verified by its hash.

    Args:
        lock: requirements lock with hashes.
        folder: target folder, which is created.

    Raises:
        InvalidInput: a wheel cannot be downloaded or built.
    """
    folder.mkdir(parents=True, exist_ok=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(filter_lock(lock.read_text(), collect_dependencies() | {BUILD_BACKEND}))
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    words += ["--no-deps", "--require-hashes", "-r", str(requirements), "-w", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise InvalidInput(
            _("pip cannot provide the wheels of this tool:\n{output}", output=done.stderr.strip())
        )
