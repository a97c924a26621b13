"""The tool's own environment as wheels, so that another site makes it with no index."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fleet.errors import InvalidInput

#: builds the tool itself where it is unpacked
BUILD_BACKEND = "setuptools"


def collect_dependencies(package: str = "mlu-fleet") -> set[str]:
    """What a package needs on this Python and platform, without its extras."""
    found: set[str] = set()
    todo = [package]
    while todo:
        try:
            said = requires(todo.pop()) or []
        except PackageNotFoundError as error:
            raise InvalidInput(f"{error}: this environment is not whole: pip install it") from error
        for one in map(Requirement, said):
            name = canonicalize_name(one.name)
            if name not in found and (not one.marker or one.marker.evaluate({"extra": ""})):
                found.add(name)
                todo.append(name)
    return found


def filter_lock(lock: str, wanted: set[str]) -> str:
    """The lines of a requirements lock for these names, hashes and all."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock)
    kept = [b for b in blocks if canonicalize_name(re.split(r"[=\[ ]", b, maxsplit=1)[0]) in wanted]
    return "\n".join(kept) + "\n"


def build_wheels(lock: Path, folder: Path) -> None:
    """Fill a folder with the wheels for this Python and platform, each proved by the lock.

    :raises InvalidInput: one is not to be had
    """
    folder.mkdir(parents=True, exist_ok=True)
    some = folder / "requirements.txt"
    some.write_text(filter_lock(lock.read_text(), collect_dependencies() | {BUILD_BACKEND}))
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "-r",
        str(some),
        "-w",
        str(folder),
    ]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise InvalidInput(f"no wheels for the environment:\n{done.stderr.strip()}")
