"""The driver packages of the lab, for every system of the tutorial, in two versions."""

import hashlib
import os
import shutil
from pathlib import Path

from tests.lab import engine, paths
from tests.lab.drivers import deb, rpm
from tests.lab.drivers.package import VERSIONS, Driver
from tests.lab.steps import digest, lock, step

DRIVERS = [
    Driver(system, family, version)
    for system, family in (("ubuntu16.04", deb), ("ubuntu18.04", deb), ("ubuntu20.04", deb),
                           ("centos7", rpm))
    for version in VERSIONS
]  # fmt: skip
# constant times, so that the same sources give the same bytes and a lock stays valid
EPOCH = "1700000000"


def build() -> None:
    """Make every package and its .md5sum in the store, when one is missing or its sources changed.

    Raises:
        LabError: a package tool is missing and cannot be installed, or it failed.
    """
    with lock("drivers"):
        made = paths.BUILD / "drivers.key"
        wanted = digest(Path(__file__).parent)
        files = [paths.STORE / driver.file for driver in DRIVERS]
        there = all(file.exists() and checksum(file).exists() for file in files)
        if there and made.exists() and made.read_text() == wanted:
            return
        engine.install("dpkg-deb", "rpmbuild", packages={"dpkg-deb": "dpkg", "rpmbuild": "rpm"})
        with step("build the driver packages"):
            paths.STORE.mkdir(parents=True, exist_ok=True)
            for driver in DRIVERS:
                publish(driver)
            made.write_text(wanted)


def checksum(file: Path) -> Path:
    """Where the vendor puts the md5 of a file: beside it.

    Args:
        file: any file of the store.

    Returns:
        The path of its .md5sum file.
    """
    return file.with_name(file.name + ".md5sum")


def publish(driver: Driver) -> None:
    """Build one package and put it into the store, whole or not at all.

    Args:
        driver: which one.

    Raises:
        LabError: its package tool failed.
    """
    scratch = paths.BUILD / "drivers" / driver.file
    shutil.rmtree(scratch, ignore_errors=True)
    driver.stage(scratch / "root")
    built = driver.family.pack(driver, scratch, {**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
    stored = paths.STORE / driver.file
    md5 = hashlib.md5(built.read_bytes(), usedforsecurity=False).hexdigest()
    checksum(stored).write_text(f"{md5}  {driver.file}\n")
    built.replace(stored)
    shutil.rmtree(scratch)
