"""What pip and dpkg install in the container: real packages, for an image without a network."""

import shutil
import sys
from pathlib import Path

from tests.lab import base, engine, paths
from tests.lab.steps import digest
from tests.lab.vendor.once import once
from tests.lab.vendor.run import run

WANTED = Path(__file__).with_name("wheels.txt")
PYTHON = "3.11"  # of the vendor image
WHEELS = paths.STORE / "wheels"
GIT_LFS = paths.STORE / "git-lfs.deb"


def build() -> None:
    """Fill the wheelhouse and fetch git-lfs.

    Raises:
        LabError: a registry does not have or give what is wanted.
    """
    once("wheelhouse", digest(WANTED, PYTHON), [WHEELS], _wheels)
    image = base.image()
    once("git-lfs package", digest(image, base.key(image) or ""), [GIT_LFS], lambda: _deb(image))


def _wheels() -> None:
    part = paths.BUILD / "wheels.part"
    shutil.rmtree(part, ignore_errors=True)
    download(WANTED, part)
    shutil.rmtree(WHEELS, ignore_errors=True)
    part.rename(WHEELS)


def download(wanted: Path, folder: Path) -> None:
    """Download wheels for the vendor image.

    Args:
        wanted: requirements file with every package and its version.
        folder: gets the wheels.

    Raises:
        LabError: a registry does not have or give what is wanted.
    """
    run(
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        PYTHON,
        "--platform",
        "manylinux_2_28_x86_64",
        "--platform",
        "manylinux2014_x86_64",
        "--requirement",
        str(wanted),
        "--dest",
        str(folder),
    )


def _deb(image: str) -> None:
    # by the image's own apt: the controller may be of another release
    get = "apt-get update -qq && apt-get download -qq git-lfs && mv git-lfs_*.deb /out/git-lfs.part"
    out = f"{paths.BUILD}:/out"
    engine.docker("run", "--rm", "-v", out, "-w", "/tmp", image, "sh", "-ec", get)
    (paths.BUILD / "git-lfs.part").rename(GIT_LFS)
