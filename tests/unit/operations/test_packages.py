"""System packages in the container: from the store, the image, or the image's repositories."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.release.model import PipCommand, SystemPackage
from fleet.release.target import ReleaseTarget
from operations import packages
from tests.unit.conftest import DRIVEN, probe
from tests.unit.operations.stage_helpers import plan_commands, render

DEB = "/var/cntoolkit-3.6.1/cnvs_0.12.0-1.ubuntu18.04_amd64.deb"


@pytest.mark.parametrize(
    ("package", "origin"),
    [
        (SystemPackage(package="cnvs", image_file=DEB), DEB),
        (SystemPackage(package="cnvs", file="docker/docker.io.deb"), "/docker/docker.io.deb"),
        (SystemPackage(package="cnvs"), "''"),
    ],
)
def test_a_package_is_installed_from_where_it_lies(
    wanted: ReleaseTarget, package: SystemPackage, origin: str
) -> None:
    listed = wanted.release.packages.model_copy(update={"system": (package,)})
    target = replace(wanted, release=wanted.release.model_copy(update={"packages": listed}))
    container = f"container|id1|{wanted.lock.image.id}|true|9|-"
    commands = map(render, plan_commands(packages, target, probe(*DRIVEN, container)))
    (command,) = [line for line in commands if line.startswith("system-package ")]
    assert command.startswith("system-package torch cnvs ") and command.endswith(origin)
    # only what is in the store is uploaded
    assert len(packages.list_store_files(target)) == 1 + bool(package.file)


@pytest.mark.parametrize(
    ("pip", "compiles"),
    [(PipCommand(install=("numpy",), upgrade=True), False), (PipCommand(uninstall=("a",)), None)],
)
def test_pip_leaves_compiling_to_the_imports(pip: PipCommand, compiles: bool | None) -> None:
    arguments = packages.pip_arguments(pip, wheelhouse=True, shared="/opt/mlufleet")
    assert ("--no-compile" in arguments) is (compiles is False)
    assert arguments[-1] == (pip.install or pip.uninstall)[-1]
