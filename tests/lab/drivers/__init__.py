"""The driver packages of the lab, for every kind of server, in two versions."""

import hashlib
import os
import shutil
from pathlib import Path

from tests.lab import engine, paths
from tests.lab.drivers import deb, rpm
from tests.lab.drivers.package import VERSIONS, Driver
from tests.lab.steps import digest, lock, step
from tests.lab.systems import BY_NAME

FAMILIES = {"deb": deb, "rpm": rpm}
DRIVERS = [
    Driver(kind.driver, FAMILIES[kind.family], version, kind.release)
    for kind in BY_NAME.values()
    for version in VERSIONS
]
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
