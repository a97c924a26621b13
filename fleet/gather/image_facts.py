"""What is known of an image before a lock: from its archive if it is there, else from its tag."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from fleet.documents import atomic_write
from fleet.errors import InvalidInput
from fleet.gather.work import cache_path
from fleet.language import _
from fleet.release.model import Image
from fleet.store import file_types, image_archive
from fleet.store.image_python import InstalledPackage
from fleet.store.wheels import PYTHON_MACHINES, PythonTarget

PYTHON_TAG = re.compile(r"\bpy(?:thon)?(3)\.?(\d{1,2})\b")
#: version of torch and the operating system in a tag, such as v1.13.0-torch1.9-ubuntu18.04-py37
TORCH_TAG = re.compile(r"\btorch(\d+(?:\.\d+)+)")
SYSTEM_TAG = re.compile(r"(?<![a-z])(ubuntu|debian|centos)(\d+)(?:\.\d+)?")
#: C library of the systems that images are made from
GLIBC_VERSIONS = {
    **{"ubuntu16": "2.23", "ubuntu18": "2.27", "ubuntu20": "2.31", "ubuntu22": "2.35"},
    **{"ubuntu24": "2.39", "debian10": "2.28", "debian11": "2.31", "centos7": "2.17"},
}
#: the oldest of them, which every image can use
DEFAULT_GLIBC = "2.17"


@dataclass(frozen=True)
class ImageFacts:
    """The Python of an image.

    Attributes:
        python: version, machine and C library.
        packages: its packages, as far as they are known.
        is_complete: whether these are all packages.
    """

    python: PythonTarget
    packages: tuple[InstalledPackage, ...]
    is_complete: bool


def find_facts(image: Image, store: Path, python: str = "") -> ImageFacts | None:
    """Find out which wheels an image needs.

    An archive is read once; the result is kept in the store's cache.

    Args:
        image: the image of a release.
        store: folder of the store.
        python: version of its Python, which takes precedence (default: find out).

    Returns:
        The facts; None if nothing tells the version of Python.

    Raises:
        InvalidInput: the archive cannot be read.
    """
    archive = store / image.file if image.file else None
    if archive and archive.is_file():
        known = _read_cached(archive, image.python, store)
        if version := python or known["python"]:
            machine = PYTHON_MACHINES.get(known["architecture"], "x86_64")
            target = PythonTarget(version, machine, known["glibc"])
            packages = [InstalledPackage(n, v, tuple(r)) for n, v, r in known["packages"]]
            return ImageFacts(target, tuple(packages), is_complete=True)
    return _read_tag(f"{image.reference} {image.file or ''}", python)


def _read_tag(text: str, python: str) -> ImageFacts | None:
    if found := PYTHON_TAG.search(text):
        python = python or f"{found[1]}.{found[2]}"
    if not python:
        return None
    system, torch = SYSTEM_TAG.search(text), TORCH_TAG.search(text)
    glibc = GLIBC_VERSIONS.get("".join(system.groups()) if system else "", DEFAULT_GLIBC)
    packages = [InstalledPackage("torch", torch[1])] if torch else []
    return ImageFacts(PythonTarget(python, "x86_64", glibc), tuple(packages), is_complete=False)


def _read_cached(archive: Path, program: str, store: Path) -> Mapping[str, Any]:
    """Return what an archive shows; it is read only if it has changed."""
    status = archive.stat()
    key = f"{archive.name} {status.st_size} {status.st_mtime_ns} {program}"
    path = cache_path(store, f"images/{hashlib.sha256(key.encode()).hexdigest()[:16]}.json")
    with suppress(OSError, ValueError, LookupError, TypeError):
        known: dict[str, Any] = json.loads(path.read_text())
        if known["key"] == key:
            return known
    try:
        with archive.open("rb") as stream:
            head = stream.read(file_types.HEAD_BYTES)
            stream.seek(0)
            found = image_archive.read_image(stream, status.st_size, head, program)
    except image_archive.ImageArchiveError as error:
        raise InvalidInput(
            _("{path}: not a Docker image archive: {error}", path=archive, error=error)
        ) from error
    except OSError as error:
        raise InvalidInput(
            _("{path}: cannot be read: {reason}", path=archive, reason=error.strerror)
        ) from error
    known = {
        "key": key,
        "python": found.python_version,
        "glibc": found.glibc_version,
        "architecture": found.architecture,
        "packages": [
            [canonicalize_name(p.name), p.version, list(p.requires)]
            for p in found.installed_packages.values()
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write.replace_file(path, json.dumps(known))
    return known
