"""The layers that a host lacks: found in an image's archive, and written as docker loads them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from fleet.store import layer_archive, layer_index
from fleet.store.layer_index import LayerIndex
from tests.unit.fleet.store.test_image_archive import layer
from tests.unit.packaged import PACKERS, tarred

LAYERS = [layer(f"file-{number}", size=40_000 * number) for number in range(3)]
DIFF_IDS = [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in LAYERS]
CONFIG = json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": DIFF_IDS}}).encode()
IDENTITY = hashlib.sha256(CONFIG).hexdigest()
TAG = "registry.example/torch:v1"


def describe(layers: list[str], config: str = f"{IDENTITY}.json") -> bytes:
    return json.dumps([{"Config": config, "RepoTags": [TAG], "Layers": layers}]).encode()


def save_old() -> bytes:
    """As docker before 25 saves: the uppermost layer first."""
    names = [f"{number}/layer.tar" for number in range(3)]
    files = dict(zip(reversed(names), reversed(LAYERS), strict=True))
    files |= {f"{IDENTITY}.json": CONFIG, "manifest.json": describe(names), "repositories": b"{}"}
    return tarred(**files)


def save_oci(*, packed: bool = False) -> bytes:
    """As docker since 25 saves; layers that a registry gave can be compressed."""
    blobs = [gzip.compress(content, mtime=0) if packed else content for content in LAYERS]
    names = [f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}" for blob in blobs]
    config = f"blobs/sha256/{IDENTITY}"
    files = {config: CONFIG, **dict(zip(names, blobs, strict=True))}
    files |= {"index.json": b"{}", "oci-layout": b"{}", "manifest.json": describe(names, config)}
    return tarred(**files)


def save_linked() -> bytes:
    """As docker saves a layer that is there already: as a link to it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:

        def add(name: str, content: bytes, kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, len(content)
            tar.addfile(member, io.BytesIO(content))

        add("zero/layer.tar", LAYERS[0])
        add("0/layer.tar", b"", tarfile.SYMTYPE, "../zero/layer.tar")
        add("one", LAYERS[1])
        add("1/layer.tar", b"", tarfile.LNKTYPE, "one")
        add("2/layer.tar", LAYERS[2])
        add(f"{IDENTITY}.json", CONFIG)
        add("manifest.json", describe([f"{number}/layer.tar" for number in range(3)]))
    return target.getvalue()


def put(path: Path, content: bytes) -> tuple[Path, str]:
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def find(path: Path, sha: str) -> LayerIndex:
    index = layer_index.find_index(path, sha, unpack=True)
    assert index is not None
    return index


SAVED = {
    "old": save_old(),
    "oci": save_oci(),
    "oci, compressed layers": save_oci(packed=True),
    "links": save_linked(),
    "gz": PACKERS[".gz"](save_old()),
    "xz": PACKERS[".xz"](save_oci()),
    "gz, compressed layers": PACKERS[".gz"](save_oci(packed=True)),
}


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("present", [1, 2])
def test_an_archive_of_the_upper_layers_has_them_and_no_other(
    tmp_path: Path, name: str, present: int
) -> None:
    whole, sha = put(tmp_path / "image.tar", SAVED[name])
    index = find(whole, sha)
    assert [each.diff_id for each in index.layers] == DIFF_IDS
    assert index.image_id == f"sha256:{IDENTITY}" and index.tags == (TAG,)
    assert layer_index.load_index(sha) == index, "it is read once"
    path, written = layer_archive.write_archive(whole, sha, index, present)
    assert written == hashlib.sha256(path.read_bytes()).hexdigest()
    files = read_files(path)
    (entry,) = json.loads(files.pop("manifest.json"))
    assert entry["RepoTags"] == [TAG] and files.pop(entry["Config"]) == CONFIG
    found = {
        where: f"sha256:{hashlib.sha256(unpack(files.pop(where))).hexdigest()}"
        for where in entry["Layers"][present:]
    }
    assert list(found.values()) == DIFF_IDS[present:] and not files
    path.unlink()
    assert layer_archive.write_archive(whole, sha, index, present)[1] == written


def read_files(path: Path) -> dict[str, bytes]:
    files = {}
    with tarfile.open(path) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            assert stream
            files[member.name] = stream.read()
    return files


def unpack(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def test_layers_of_a_host_count_from_the_lowest(tmp_path: Path) -> None:
    index = find(*put(tmp_path / "image.tar", save_old()))
    first, second, third = DIFF_IDS
    other = f"sha256:{'0' * 64}"
    for chains, present in (
        ([], 0),
        ([()], 0),
        ([(other, second, third)], 0),
        ([(first, other), (first, second, other, third)], 2),
        ([(first,), (first, second, third, other)], 3),
    ):
        assert index.count_present(chains) == present


@pytest.mark.parametrize(
    "files",
    [
        {"manifest.json": b"[]"},
        {"manifest.json": describe(["a/layer.tar"]), f"{IDENTITY}.json": CONFIG},
        {"manifest.json": describe(["a"] * 3), f"{IDENTITY}.json": CONFIG},
        {"manifest.json": describe(["a"] * 3), f"{IDENTITY}.json": b'{"rootfs": 1}', "a": b""},
        {"oci-layout": b"{}"},
    ],
)
def test_of_what_is_not_dockers_no_layers_are_found(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    for content in (tarred(**files), gzip.compress(tarred(**files)), b"no archive"):
        path, sha = put(tmp_path / "image", content)
        assert layer_index.find_index(path, sha, unpack=True) is None


def test_a_compressed_archive_is_not_unpacked_for_a_preview(tmp_path: Path) -> None:
    path, sha = put(tmp_path / "image", gzip.compress(save_old() + b"more"))
    assert layer_index.find_index(path, sha) is None
    index = find(path, sha)
    assert layer_index.find_index(path, sha) == index


def test_a_damaged_cache_is_no_cache(tmp_path: Path) -> None:
    path, sha = put(tmp_path / "image", save_old() + b"damaged")
    index = find(path, sha)
    (cached,) = layer_index.cache_folder().glob(f"{sha}.json")
    cached.write_text(cached.read_text().replace('"begin": ', '"begin": 1'))
    assert layer_index.load_index(sha) is None and find(path, sha) == index


def test_a_disk_of_the_controller_is_not_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sha = put(tmp_path / "image", save_old() + b"full")
    free = layer_archive.RESERVED_BYTES + 100
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(OSError, match="bytes free"):
        layer_archive.write_archive(path, sha, find(path, sha), 1)
    assert not list(layer_index.cache_folder().glob(f"{sha}.*tar*"))
