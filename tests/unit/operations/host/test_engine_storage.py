"""Docker engines that would take the image and not run it as it should, or not hold it."""

from __future__ import annotations

import json

import pytest

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations import image, preflight
from operations.host.engine_storage import EngineStorage
from operations.host.facts import HostFacts
from operations.host.probe_parser import ProbeError
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import plan_words
from tests.unit.operations.test_decisions import code

SECCOMP = ["name=apparmor", "name=seccomp,profile=default"]


def engine(driver: str, security: list[str] | None, *status: str) -> HostFacts:
    """A host whose docker says this of itself."""
    pairs = [line.split("=") for line in status]
    said = f"root|/var/lib/docker|{driver}|{json.dumps(security)}|{json.dumps(pairs)}"
    return probe(*BARE, said)


@pytest.mark.parametrize(
    ("state", "expected", "named"),
    [
        (engine("overlay2", SECCOMP, "Backing Filesystem=extfs", "Supports d_type=true"), "", ""),
        (engine("overlay2", [*SECCOMP, "name=userns"]), "USERNS_REMAP", "userns-remap"),
        (engine("overlay2", [*SECCOMP, "name=rootless", "name=cgroupns"]), "ROOTLESS", "rootless"),
        (
            engine("overlay", None, "Backing Filesystem=xfs", "Supports d_type=false"),
            "XFS_FTYPE",
            "overlay on xfs",
        ),
        (engine("devicemapper", [], "Base Device Size=10.74GB"), "", ""),
        (engine("devicemapper", [], "Base Device Size=0.1 kB"), "DM_BASESIZE", "dm.basesize"),
        (
            engine("devicemapper", [], "Base Device Size=107.4 GB", "Data Space Available=1TB"),
            "",
            "",
        ),
        (
            engine("devicemapper", [], "Data Space Available=0.1kB"),
            "NO_SPACE",
            "devicemapper's pool",
        ),
        (engine("overlayfs", [], "driver-type=io.containerd.snapshotter.v1"), "", ""),
        (engine("btrfs", [], "Build Version=Btrfs v4.4"), "", ""),
        (engine("aufs", [], "Root Dir=/var/lib/docker/aufs", "Backing Filesystem=extfs"), "", ""),
    ],
)
def test_an_engine_is_refused_by_what_it_says_of_itself_before_anything_is_done(
    wanted: ReleaseTarget, state: HostFacts, expected: str, named: str
) -> None:
    for decided in (plan_words(preflight, wanted, state), plan_words(image, wanted, state)):
        assert (decided.code if isinstance(decided, Failure) else "") == expected
        assert named in (decided.sentence if isinstance(decided, Failure) else "")
    # of an engine that holds the image already nothing is asked
    loaded = probe(*BARE, f"image|{wanted.lock.image.id}")
    assert plan_words(preflight, wanted, loaded) == []


def test_podman_is_no_docker(wanted: ReleaseTarget) -> None:
    lines = [line for line in BARE if not line.startswith(("engine", "tool|dockerd"))]
    assert code(plan_words(preflight, wanted, probe(*lines, "podman"))) == "PODMAN"
    assert plan_words(preflight, wanted, probe(*lines)) == []


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("10.74GB", 10_740_000_000),
        ("10.74 GB", 10_740_000_000),
        ("512 MiB", 512_000_000),
        ("", None),
        ("lots", None),
        ("1.2.3 GB", None),
    ],
)
def test_sizes_are_read_as_docker_prints_them(said: str, size: int | None) -> None:
    assert EngineStorage(status={"Base Device Size": said}).status_bytes("Base Device Size") == size


@pytest.mark.parametrize("status", ["{", "7", '[["a"]]', "<no value>"])
def test_what_is_not_dockers_is_no_reason_to_guess(status: str) -> None:
    try:
        state = probe(*BARE, f"root|/var/lib/docker|overlay2|null|{status}")
    except ProbeError:
        return
    assert state.storage.status == {}


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ("share|/data/share/model|nfs4 nas:/vol/model|", ""),
        ("share|/data/share/model|nfs4 nas:/vol/model|mine", ""),
        ("share|/data/share/model|nfs4 nas:/vol/model|another", "SHARED_FOLDER"),
        ("share|/data/models/tiny|nfs4 nas:/models/tiny|another", ""),
        ("squashed|/data/share|nfs4 nas:/vol", "ROOT_SQUASH"),
        ("squashed|/data/models|nfs4 nas:/models", "ROOT_SQUASH"),
        ("squashed|/home|nfs4 nas:/home", ""),
        ("read-only|/usr", ""),
        ("read-only|/data/share", "READ_ONLY"),
    ],
)
def test_a_folder_that_is_changed_is_this_hosts_alone_and_can_be_written(
    wanted: ReleaseTarget, share: str, expected: str
) -> None:
    decided = plan_words(preflight, wanted, probe(*BARE, "machine|mine host boot", share))
    assert (decided.code if isinstance(decided, Failure) else "") == expected
    if expected:
        assert isinstance(decided, Failure) and share.split("|")[1] in decided.sentence


def test_two_hosts_of_the_inventory_that_have_one_folder_are_both_refused(
    wanted: ReleaseTarget,
) -> None:
    names = {"mlu1", "mlu2"}
    weights = probe(*BARE, "share|/data/models/tiny|nfs4 nas:/models/tiny|")
    weights.filesystem_names["nfs4 nas:/models/tiny"] = names
    assert plan_words(preflight, wanted, weights) == [], "they are only read"
    both = probe(*BARE, "share|/data/share/model|nfs4 nas:/vol/model|")
    both.filesystem_names["nfs4 nas:/vol/model"] = names
    decided = plan_words(preflight, wanted, both)
    assert code(decided) == "SHARED_FOLDER" and "mlu1, mlu2" in decided.sentence  # type: ignore[union-attr]
