"""Wheels of packages that only exist as source, where that is safe: pure Python only."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.errors import InvalidInput
from fleet.gather.pip_index import IndexResolver
from fleet.language import _
from fleet.proof.pip_resolver import ConflictingRequirements, UnsatisfiedRequirement
from fleet.store.image_layers import ARCHIVE_ERRORS
from fleet.store.wheels import PythonTarget, WheelFile

#: what a compiler is needed for: the result would be for this machine, not for the image
COMPILED_SUFFIXES = (
    *(".c", ".cc", ".cpp", ".cxx", ".cu", ".f", ".f90", ".go", ".pyx", ".pxd", ".rs", ".swg"),
    "CMakeLists.txt",
)
PURE_WHEEL = re.compile(r".*-(?:py2\.)?py3-none-any\.whl")


class CannotBuild(Exception):
    """No wheel can be built here; the message is a clause that says why."""


def build_wheel(
    requirement: str, resolver: IndexResolver, python: PythonTarget, folder: Path
) -> Path:
    """Build the wheel of a package, in an environment of its own.

    Args:
        requirement: name and versions.
        resolver: pip.
        python: the Python that the wheel is for.
        folder: the folder of wheels that gets it.

    Returns:
        The wheel.

    Raises:
        CannotBuild: there is no source, it has code to compile, or building fails.
    """
    with TemporaryDirectory(prefix="build-", dir=resolver.folder) as scratch:
        try:
            built = _run_build(requirement, resolver, python, Path(scratch))
        except (UnsatisfiedRequirement, ConflictingRequirements) as error:
            raise CannotBuild(_("no index has it, as a wheel or as source")) from error
        except InvalidInput as error:
            raise CannotBuild(_("its source cannot be built: {error}", error=error)) from error
        if not PURE_WHEEL.fullmatch(built.name) or not python.can_install(WheelFile(built)):
            raise CannotBuild(
                _("building it gives {wheel}, which is not for every Python 3", wheel=built.name)
            )
        folder.mkdir(parents=True, exist_ok=True)
        return built.replace(folder / built.name)


def _run_build(
    requirement: str, resolver: IndexResolver, python: PythonTarget, scratch: Path
) -> Path:
    """Download a source package, and build it if there is nothing to compile."""
    sources, wheels = scratch / "sources", scratch / "wheels"
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    resolver.run_pip(
        *("download", "--quiet", "--no-deps", "--dest", str(sources)),
        *("--no-binary", match[0] if match else requirement),
        *(f"--python-version={python.version}", requirement),
    )
    archive = next(sources.iterdir())
    if compiled := _find_compiled(archive):
        raise CannotBuild(
            _("{archive} has code to compile ({compiled})", archive=archive.name, compiled=compiled)
        )
    resolver.run_pip(
        *("wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(archive)),
        for_image=False,
    )
    return next(wheels.iterdir())


def _find_compiled(archive: Path) -> str:
    """Return a file of a source package that has to be compiled; "" if there is none."""
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                names = zipped.namelist()
        else:
            with tarfile.open(archive) as tar:
                names = tar.getnames()
    except (*ARCHIVE_ERRORS, zipfile.BadZipFile) as error:
        raise CannotBuild(
            _("{archive} is damaged: {error}", archive=archive.name, error=error)
        ) from error
    return next((name for name in names if name.endswith(COMPILED_SUFFIXES)), "")
