"""Room for all that a run puts on a host, by file system and in sum."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from fleet.release import host_paths
from fleet.release.lockfile import LockedFile
from fleet.release.target import ReleaseTarget
from operations import disk_space, preflight, stages
from operations.host.context import RunContext
from operations.host.facts import HostFacts
from operations.host.probe import ProbeCache
from operations.host.probe_parser import parse
from operations.host.scripts import script_text
from operations.stage import HostOptions
from operations.transfer.reuse import FoundFile, NeededFile, Search
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import as_host, as_spec, only, plan_words

GB = 10**9
NONE = HostOptions()
STATUS = '[["driver-type","io.containerd.snapshotter.v1"]]'


def seen(*lines: str) -> HostFacts:
    return probe(*(line for line in BARE if not line.startswith("disk")), *lines)


@pytest.fixture
def big(wanted: ReleaseTarget) -> ReleaseTarget:
    """An image of 9 GB, weights of 14 GB, and little else."""
    sizes = {"image.tar.gz": 9 * GB, "weights/model.bin": 14 * GB}
    files = {
        name: LockedFile(sha256=file.sha256, size=sizes.get(name, file.size))
        for name, file in wanted.lock.files.items()
    }
    return replace(wanted, lock=wanted.lock.model_copy(update={"files": files}))


@pytest.mark.parametrize(
    ("disks", "named"),
    [
        # one file system has to hold all of it: archive, unpacked image, weights
        (("/|30|1",), ["50,0", "unpacked image 27,", "weights tiny 14,", "image archive 9,"]),
        (("/|51|1",), []),
        # as many folders as one likes are one file system
        (("/var/lib/docker|30|1", "/var/lib/mlufleet|30|1", "/data|30|1"), ["50,0"]),
        (("/var/lib/docker|30|1", "/var/lib/mlufleet|30|2", "/data|30|3"), []),
        # weights come by way of the incoming folder, and stay on a file system of their own
        (
            ("/|60|1", "/data|2|2"),
            ["/data/models/tiny, /data/share/model have together 2,", "14,0"],
        ),
        (("/|60|1", "/data|15|2"), []),
        (("/|60|1", "/data/models|2|2", "/data|99|3"), ["/data/models/tiny has 2,"]),
        (("/|60|1", "/data/models/tinyer|2|2"), []),
        (("/|26|1", "/var/lib/mlufleet|30|2"), ["/var/lib/docker", "27,0"]),
        # a quota of one folder on a file system that has room
        (("/|99|1", "/var/lib/docker|20|1"), ["/var/lib/docker has 20,", "27,0"]),
    ],
)
def test_what_comes_is_summed_by_the_file_system_it_comes_to(
    big: ReleaseTarget, disks: tuple[str, ...], named: list[str]
) -> None:
    split = (disk.split("|") for disk in disks)
    lines = [f"disk|{path}|{int(free) * GB}|9999999|ext2/ext3.{of}" for path, free, of in split]
    short = disk_space.check_free_space(as_host(big), seen(*lines))
    assert bool(short) is bool(named), short
    assert short is None or short.code == "NO_SPACE"
    assert all(word in short.sentence for word in named if short), short
    decided = plan_words(preflight, big, seen(*lines))
    assert decided == (short or []), "it is known before anything is done"


@pytest.mark.parametrize(
    ("lines", "less"),
    [
        (("there|/data/models/tiny/model.bin|14000000000",), 14),
        (("there|/data/models/tiny/model.bin|13999999999",), 0),  # is kept, as it is another
        (("there|/var/lib/mlufleet/artifacts/image.tar.gz|9000000000",), 9),
        (("image|IMAGE",), 36),
        (("part|image.IMAGESHA.0.part|4000000000",), 4),
    ],
)
def test_what_is_there_already_needs_no_room(
    big: ReleaseTarget, lines: tuple[str, ...], less: int
) -> None:
    words = {"IMAGESHA": big.lock.files["image.tar.gz"].sha256, "IMAGE": big.lock.image.id}
    for word, value in words.items():
        lines = tuple(line.replace(word, value) for line in lines)
    whole = sum(need.size_bytes for need in disk_space.list_needs(as_host(big), seen("disk|/|1")))
    rest = disk_space.list_needs(as_host(big), seen("disk|/|1", *lines))
    left = sum(need.size_bytes for need in rest)
    assert round((whole - left) / GB, 2) == less


def test_what_can_be_linked_needs_no_room(big: ReleaseTarget) -> None:
    facts = seen("disk|/|45000000000|9999999|x")  # 50 GB are needed
    assert disk_space.check_free_space(as_host(big), facts)
    facts.linkable_paths = {"/data/models/tiny/model.bin"}
    assert disk_space.check_free_space(as_host(big), facts) is None


@dataclass(eq=False)
class Named:
    """As much of a host as its facts need."""

    name: str


@pytest.mark.parametrize(
    ("how", "is_refused"), [("link", False), ("place", False), ("copy", True), ("", True)]
)
def test_a_host_that_lacks_room_is_searched_for_what_needs_none(
    big: ReleaseTarget, monkeypatch: pytest.MonkeyPatch, how: str, is_refused: bool
) -> None:
    facts = seen("disk|/|45000000000|9999999|x")
    looked: list[str] = []

    def search(host: Any, arguments: Any, needed: list[NeededFile], phase: str) -> Search:
        looked.append(phase)
        found = FoundFile(how, "kang", "/data/ftp/model.bin")
        return Search({file.part: found for file in needed if how and "model.bin" in file.dest})

    cache, host = ProbeCache(RunContext()), cast(Any, Named("a"))
    cache.add(host, facts)
    monkeypatch.setattr(stages.reuse, "search_host", search)
    monkeypatch.setattr(stages.connection, "connector_arguments", lambda _: {})
    monkeypatch.setattr(stages, "unwrap_host", lambda host: host)
    drift = stages.find_drift(as_spec(big), facts)
    assert stages.lacks_space(drift)
    drift = stages._find_drift_with_links(host, as_spec(big), facts)
    assert stages.lacks_space(drift) is is_refused and looked == ["look"]
    # and so it stays for the probes of the stages
    again = seen("disk|/|45000000000|9999999|x")
    cache.add(host, again)
    assert again.linkable_paths == facts.linkable_paths
    assert (disk_space.check_free_space(as_host(big), again) is not None) is is_refused


@pytest.mark.parametrize(
    ("driver", "status", "times"),
    [("overlayfs", STATUS, 5), ("overlay2", "[]", 3), ("vfs", "null", 20)],
)
def test_what_an_image_needs_is_by_how_docker_keeps_it(
    big: ReleaseTarget, driver: str, status: str, times: int
) -> None:
    state = seen("disk|/|1", f"root|/var/lib/docker|{driver}|[]|{status}")
    unpacked = [
        need.size_bytes
        for need in disk_space.list_needs(as_host(big), state)
        if need.label == "unpacked image"
    ]
    assert unpacked == [times * 9 * GB]


def see_right(wanted: ReleaseTarget, *lines: str) -> HostFacts:
    (tiny,) = wanted.release.weights
    commit = wanted.lock.commits["model"]
    return seen(
        "package|mlu-ubuntu18.04-dkms|5.10.10|install ok installed",
        f"image|{wanted.lock.image.id}",
        f"stamp|weights-tiny|{host_paths.weights_digest(wanted, tiny)} sum",
        f"tree|{tiny.target}|sum",
        f"source|/data/share/model|{commit}|0",
        *lines,
    )


def test_a_host_that_is_as_wanted_needs_nothing(wanted: ReleaseTarget) -> None:
    right = see_right(wanted, "disk|/|0")
    assert {need.label for need in disk_space.list_needs(as_host(wanted), right)} == {
        "packages of the container",
        "installed packages",
    }


@pytest.mark.parametrize(
    ("path", "free", "code"),
    [
        ("/var/lib/mlufleet", 0, "NO_SPACE"),
        ("/var/lib/docker", (1 << 20) - 1, "NO_SPACE"),
        ("/var/lib/docker", 1 << 20, ""),
        ("/data/models", 0, ""),  # weights may fill it to the last byte
    ],
)
def test_a_host_that_needs_nothing_has_room_to_go_on(
    wanted: ReleaseTarget, path: str, free: int, code: str
) -> None:
    here = see_right(wanted, "disk|/|1000000000", f"disk|{path}|{free}")
    failure = disk_space.check_free_space(as_host(wanted), here)
    assert (failure.code if failure else "") == code


def test_the_probe_says_which_folders_share_a_file_system_and_what_is_there(
    tmp_path: Path,
) -> None:
    state, weights = tmp_path / "state", tmp_path / "models/tiny"
    for folder in (state / "incoming", state / "artifacts/docker", state / "stamps", weights):
        folder.mkdir(parents=True)
    (state / "incoming/image.a.0.part").write_bytes(b"half")
    (state / "artifacts/docker/docker.io_20.10~deb12+1.deb").write_bytes(b"docker")
    (weights / "模型.bin").write_bytes(b"weights")
    (weights / "a\nthere\tforged\t1").write_bytes(b"")
    asked = f"ROOTS='{state} {weights}/not/yet {tmp_path} /proc/sys'\nRELEASES=0\n"
    empty = ("SLOW", "KEY", "PACKAGES", "DRIVER", "HEADERS", "CONTAINERS")
    asked += "".join(f"{name}=\n" for name in empty)
    names = ("SLOT", "IMAGE", "OURS", "MOUNTS", "SOURCES", "FILES", "INSIDE")
    said = "; ".join(f"{name}=" for name in names)
    asked += f"release_0() {{ {said}; TREES={weights}; WEIGHTS={weights}:tiny:made; }}\n"
    text = asked + script_text("probe").replace("/var/lib/mlufleet", str(state))

    def look() -> HostFacts:
        env = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
        done = subprocess.run(["sh", "-c", text], env=env, capture_output=True, text=True)
        return parse(done.stdout.splitlines(), 0)

    host = look()
    # besides that of a docker which is there
    assert {str(state), str(weights), str(tmp_path), "/proc/sys"} <= set(host.free_bytes)
    assert (
        host.filesystem_ids[str(state)]
        == host.filesystem_ids[str(tmp_path)]
        != host.filesystem_ids["/proc/sys"]
    )
    assert host.free_bytes[str(tmp_path)] > 0 and host.free_inodes.get("/proc/sys") is None
    assert not host.root_squashed_paths and not host.shared_filesystems
    assert host.partial_bytes == {"image.a.0.part": 4}
    deb = f"{state}/artifacts/docker/docker.io_20.10~deb12+1.deb"
    assert host.existing_bytes == {deb: 6, f"{weights}/模型.bin": 7}
    (state / "stamps/weights-tiny").write_text(f"made {only(host).trees[str(weights)]}\n")
    assert look().existing_bytes == {deb: 6}, "of what is right nothing more is asked"
