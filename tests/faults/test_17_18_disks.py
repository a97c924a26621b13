"""17, 18: no room, no inodes, a read-only disk: before anything is begun, and in the middle."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.lab import hosts as lab
from tests.lab import paths
from tests.runs import CONTAINER, ends_right, refused

HOST = "u1604"
STATE, ENGINE, WORK = "/var/lib/mlufleet", "/var/lib/docker", "/data/github/dev-env-ubuntu"
INCOMING = f"{STATE}/incoming"
SMALL, FEW, FIXED = "-t tmpfs -o size=50m tmpfs", "-t tmpfs -o nr_inodes=99 tmpfs", "--bind {0}"
IMAGE = "pytorch-v1.13.0-torch1.9-ubuntu18.04-py37.tar.gz"


@contextmanager
def mounted(path: str, what: str) -> Iterator[None]:
    """Another file system over a folder; FIXED: the same one, read-only."""
    lab.run(HOST, f"mkdir -p {path} && mount {what.format(path)} {path}")
    if what == FIXED:
        lab.run(HOST, f"mount -o remount,ro,bind {path}")
    try:
        yield
    finally:
        lab.run(HOST, f"umount -l {path}")


def users() -> str:
    """All that is in the folders a user works in."""
    return lab.run(HOST, "cd /data && find . -type f -exec sha256sum {} + | sort | sha256sum")


@pytest.fixture(scope="module", autouse=True)
def imageless(request: pytest.FixtureRequest) -> Iterator[None]:
    """A host that has lost its image, so there is much to bring; in the end one run brings it."""
    # after other tests it may have another release of the model, which is as good for that
    if CONTAINER not in lab.run(HOST, "docker ps --format '{{.Names}}'"):
        request.getfixturevalue("provisioned")
    lab.run(HOST, f"docker rm -f {CONTAINER}; docker image rm -f $(docker image ls -q)")
    before = users()
    yield
    assert users() == before
    assert ends_right(HOST).changed(HOST)[:2] == ["image", "container"]


def size(*names: str) -> int:
    """Bytes of files in the store."""
    return sum((paths.STORE / name).stat().st_size for name in names)


def weights() -> int:
    folder = paths.STORE / "weights"
    return size(*(str(p.relative_to(paths.STORE)) for p in folder.rglob("*") if p.is_file()))


@pytest.mark.parametrize(
    ("path", "what", "code", "need"),
    [
        # weights are known to be there by a stamp that is out of sight as well
        pytest.param(STATE, SMALL, "NO_SPACE", lambda: size(IMAGE) + weights(), id="17-archive"),
        pytest.param(ENGINE, SMALL, "NO_SPACE", lambda: 3 * size(IMAGE), id="17-image"),
        pytest.param(STATE, FEW, "NO_INODES", lambda: 20_000, id="18-no-inodes"),
        pytest.param(WORK, FIXED, "READ_ONLY", None, id="18-read-only"),
    ],
)
def test_17_18_what_a_disk_lacks_is_found_before_anything_is_written(
    path: str, what: str, code: str, need: Callable[[], int] | None
) -> None:
    with mounted(path, what):
        before = lab.files(HOST)
        failure = refused(HOST, code)
        assert lab.files(HOST) == before
    assert failure["stage"] == "preflight"
    assert path in failure["sentence"]
    if need is not None:
        # and a little more: checkouts, packages
        (said,) = re.findall(r"([0-9,]+) are needed", failure["sentence"])
        assert need() <= int(said.replace(",", "")) < 2 * need()


@pytest.mark.parametrize(
    ("what", "code"),
    [
        pytest.param(SMALL, "NO_SPACE", id="17-full"),
        pytest.param(FIXED, "READ_ONLY", id="18-read-only", marks=pytest.mark.long),
    ],
)
def test_17_18_a_disk_that_fails_under_an_upload_is_named_and_no_part_stays(
    what: str, code: str
) -> None:
    with mounted(INCOMING, what):
        failure = refused(HOST, code)
        assert lab.run(HOST, f"ls {INCOMING}") == ""
    assert failure["stage"] == "image"
    assert f"{STATE}/artifacts/{IMAGE} of {size(IMAGE):,} bytes" in failure["sentence"]


def test_17_a_docker_that_is_full_though_its_folder_is_not_is_named_and_keeps_what_was_sent() -> (
    None
):
    with mounted(f"{ENGINE}/tmp", SMALL):
        failure = refused(HOST, "NO_SPACE")
        assert lab.run(HOST, f"ls {ENGINE}/tmp") == ""
    assert f"though {ENGINE} has" in failure["sentence"] and "overlay2" in failure["sentence"]
    assert lab.run(HOST, f"ls {INCOMING}; ls {STATE}/artifacts | grep tar.gz") == IMAGE
    assert lab.run(HOST, "docker image ls -q") == ""
