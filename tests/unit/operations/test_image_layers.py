"""An image of which the host has layers: the room that it needs, and what docker does not take."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.errors import Failure
from fleet.release.lockfile import LockedFile
from fleet.release.target import ReleaseTarget
from fleet.store import layer_index
from fleet.store.layer_index import ArchivedLayer, LayerIndex
from operations import disk_space, image
from operations.host.context import run_context
from operations.host.events import NoteAdded, TransferDone
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.stage import HostOptions
from operations.transfer.image_upload import ImageUpload
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import as_host

GB = 10**9
DIFF_IDS = [f"sha256:{digit * 64}" for digit in "123"]
CONFIG = json.dumps({"rootfs": {"diff_ids": DIFF_IDS}}).encode()
SHA = "f" * 64
DEST = "/var/lib/mlufleet/artifacts/image.tar.gz"
CONTAINERD = 'root|/var/lib/docker|overlayfs|[]|[["driver-type","io.containerd.snapshotter.v1"]]'


@pytest.fixture
def layered(wanted: ReleaseTarget) -> ReleaseTarget:
    """An image of 10 GB in three layers, the lowest of them 7 GB."""
    sizes = zip(DIFF_IDS, (14 * GB, 4 * GB, 2 * GB), strict=True)
    layers = tuple(ArchivedLayer(diff_id, 0, size) for diff_id, size in sizes)
    index = LayerIndex(CONFIG, (), layers, is_compressed=True)
    layer_index.save_index(SHA, index)
    files = {**wanted.lock.files, "image.tar.gz": LockedFile(sha256=SHA, size=10 * GB)}
    locked = wanted.lock.image.model_copy(update={"id": index.image_id})
    return replace(wanted, lock=wanted.lock.model_copy(update={"files": files, "image": locked}))


def seen(*lines: str) -> HostFacts:
    return probe(*(line for line in BARE if not line.startswith("root")), *lines)


@pytest.mark.parametrize(
    ("lines", "source", "needed"),
    [
        ((), "auto", 40),
        (("layers",), "auto", 40),
        ((f"layers|{DIFF_IDS[1]}",), "auto", 40),
        ((f"layers|{DIFF_IDS[0]}",), "auto", 12),
        ((f"layers|{DIFF_IDS[0]}|{DIFF_IDS[1]}", "layers"), "auto", 4),
        ((f"layers|{DIFF_IDS[0]}|{DIFF_IDS[1]}", f"there|{DEST}.layers|600000000"), "auto", 3.4),
        ((f"layers|{DIFF_IDS[0]}|{DIFF_IDS[1]}", "part|image.a.0.part|2000000000"), "auto", 3),
        # containerd's store takes whole archives, and more room
        ((f"layers|{DIFF_IDS[0]}", CONTAINERD), "auto", 60),
    ],
)
def test_layers_that_are_there_need_no_room(
    layered: ReleaseTarget, lines: tuple[str, ...], source: str, needed: float
) -> None:
    needs = disk_space.list_needs(as_host(layered), seen(*lines), source)
    found = sum(need.size_bytes for need in needs if "image" in need.label)
    assert round(found / GB, 2) == needed


@pytest.mark.parametrize(
    ("suffix", "code", "commands"),
    [
        ("", "IMAGE_LOAD", 2),
        (".layers", "", 2),
        (".layers", "NO_SPACE", 2),
        (".layers", "IMAGE_LOAD", 4),
    ],
)
def test_layers_that_docker_does_not_take_come_once_more_with_the_others(
    layered: ReleaseTarget,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    code: str,
    commands: int,
) -> None:
    host: Any = SimpleNamespace(name="h", print_prefix="", state=SimpleNamespace())
    events: list[Any] = []
    run_context(host).events.listeners.append(events.append)
    failures = iter([Failure(code, "open layer.tar: no such file") if code else None, None])
    monkeypatch.setattr(RemoteJob, "run", lambda *_: next(failures))
    monkeypatch.setattr(ImageUpload, "total_bytes", 1)
    upload = image.build_upload(layered, HostOptions())
    assert upload
    upload.set_files([(layered.store, f"{DEST}{suffix}", hashlib.sha256().hexdigest())])
    done, results = [], []
    for command in image._load(layered, HostOptions(), upload):
        done.append(command)
        if isinstance(command, image.LoadImage):
            results.append(command.run(host, {}))
    assert len(done) == commands
    notes = [event for event in events if isinstance(event, NoteAdded)]
    left_out = [event for event in events if isinstance(event, TransferDone)]
    assert len(left_out) == (suffix == ".layers" and not code), "only what docker took"
    if commands == 4:
        assert results == [None, None] and "the whole archive is sent" in notes[0].text
        assert isinstance(done[3], image.LoadImage) and DEST in done[3].arguments
    else:
        assert [result.code for result in results if result] == ([code] if code else [])
        assert not notes
