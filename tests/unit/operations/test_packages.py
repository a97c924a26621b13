"""System packages in the container: from the store, the image, or the image's repositories."""

from __future__ import annotations

import shlex
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
    arguments = packages.pip_arguments([pip], wheelhouse=True, shared="/opt/mlufleet")
    assert ("--no-compile" in arguments) is (compiles is False)
    assert arguments[-1] == (pip.install or pip.uninstall)[-1]


PIP_LINES = (
    PipCommand(install=("numpy",)),
    PipCommand(requirements="/model/requirements.txt", exclude=("torch", "six")),
    PipCommand(requirements="/model/more.txt"),
    PipCommand(uninstall=("six",)),
    PipCommand(editable="/model"),
    PipCommand(install=("tqdm", "regex")),
)
#: of each call: the file and the names that the script filters, and what only this call has
EACH_ALONE = [
    ["", "", "numpy"],
    ["/model/requirements.txt", "torch|six", "--requirement /tmp/mlufleet-requirements.txt"],
    ["/model/more.txt", "", "--requirement /tmp/mlufleet-requirements.txt"],
    ["", "", "uninstall --yes six"],
    ["", "", "--editable /model"],
    ["", "", "tqdm regex"],
]


@pytest.mark.parametrize(
    ("groups", "calls"),
    [
        ((), EACH_ALONE),
        (
            ((0, 1, 2), (4, 5)),
            [
                [*EACH_ALONE[1][:2], f"numpy {EACH_ALONE[1][2]}"],
                *EACH_ALONE[2:4],
                ["", "", "--editable /model tqdm regex"],
            ],
        ),
        (((1, 2), (4,)), EACH_ALONE),
    ],
    ids=["a lock without groups", "two groups", "one requirements file a call"],
)
def test_lines_that_the_lock_has_together_are_one_call_of_pip(
    wanted: ReleaseTarget, groups: tuple[tuple[int, ...], ...], calls: list[list[str]]
) -> None:
    listed = wanted.release.packages.model_copy(update={"pip": PIP_LINES})
    target = replace(
        wanted,
        release=wanted.release.model_copy(update={"packages": listed}),
        lock=wanted.lock.model_copy(update={"pip_groups": groups}),
    )
    container = f"container|id1|{wanted.lock.image.id}|true|9|-"
    commands = map(render, plan_commands(packages, target, probe(*DRIVEN, container)))
    words = [shlex.split(line) for line in commands if line.startswith("pip ")]
    common = " ".join(packages.pip_arguments([PipCommand()], True, "/opt/mlufleet"))
    found = [[*one[3:5], " ".join(one[5:]).removeprefix(f"{common} ")] for one in words]
    assert found == calls
