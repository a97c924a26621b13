"""The archive of an image is what `docker save` makes of one image, or `lock` says what it is."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.checksum import chunks
from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.release import files as release_files
from fleet.release import lockfile as locks
from fleet.store import file_types, image_archive
from tests.unit.conftest import LABELS, LAYER, REFERENCE
from tests.unit.packaged import PACKERS, tarred

PYTHON = "/torch/venv3/pytorch/bin/python"


def saved(
    *layers: bytes, tags: tuple[str, ...] = (REFERENCE,), oci: bool = False, **said: object
) -> dict[str, bytes]:
    """Files of an archive as docker writes them: before and since 25."""
    fields = {"architecture": "amd64", "os": "linux", "config": {"Labels": LABELS}, **said}
    document = json.dumps(fields).encode()
    sums = [hashlib.sha256(layer).hexdigest() for layer in layers]
    identity = hashlib.sha256(document).hexdigest()
    where = [f"blobs/sha256/{one}" if oci else f"{one}/layer.tar" for one in sums]
    config = f"blobs/sha256/{identity}" if oci else f"{identity}.json"
    manifest = [{"Config": config, "RepoTags": list(tags) or None, "Layers": where}]
    files = {config: document, **dict(zip(where, layers, strict=True))}
    if oci:
        files |= {"index.json": b'{"schemaVersion":2}', "oci-layout": b"{}"}
    return files | {"manifest.json": json.dumps(manifest).encode(), "repositories": b"{}"}


def layer(*names: str, links: dict[str, str] | None = None, size: int = 0) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
        for name, to in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, to
            tar.addfile(entry)
        entry = tarfile.TarInfo("big")
        entry.size = size
        tar.addfile(entry, io.BytesIO(random.Random(0).randbytes(size)))
    return target.getvalue()


def found(tmp_path: Path, content: bytes, python: str = PYTHON) -> image_archive.Image:
    path = tmp_path / "image"
    path.write_bytes(content)
    with path.open("rb") as stream:
        reading = chunks.HashingReader(stream, lambda block: None)
        return image_archive.read_image(
            reading, len(content), content[: file_types.HEAD_BYTES], python
        )


def make(site: Path, content: bytes) -> locks.Lock:
    (site / "store/image.tar.gz").write_bytes(content)
    return locking.create_lock(release_files.load_document(site / "small.yml"), site / "store")


VENV = layer(
    "torch/venv3/pytorch/lib/python3.7/site-packages/numpy-1.21.6.dist-info/METADATA",
    "torch/venv3/pytorch/lib/python3.7/site-packages/PyYAML-5.egg-info",
    "usr/lib/python3.6/os.py",
    "usr/lib/python3.10/os.py",
    "lib/x86_64-linux-gnu/libc-2.27.so",
)


@pytest.mark.parametrize(
    ("packed", "oci", "size"),
    [
        ("", False, 0),
        (".gz", False, 3 << 20),
        (".xz", False, 0),
        ("", True, 3 << 20),
        (".gz", True, 0),
    ],
)
def test_what_docker_saves_is_read_and_what_is_in_it_seen(
    site: Path, tmp_path: Path, packed: str, oci: bool, size: int
) -> None:
    files = saved(LAYER, VENV, layer("etc/x", size=size), oci=oci)
    content = PACKERS[packed](tarred(**files))
    image = found(tmp_path, content)
    assert (image.python_version, image.glibc_version, image.architecture) == (
        "3.7",
        "2.27",
        "amd64",
    )
    assert set(image.installed_packages) == {"numpy", "pyyaml"} and image.tags == (REFERENCE,)
    locked = make(site, content)
    assert locked.image.id == image.id and len(image.id) == 71
    assert locked.files["image.tar.gz"].sha256 == hashlib.sha256(content).hexdigest()


def test_the_archive_is_read_once(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = PACKERS[".gz"](tarred(**saved(LAYER, layer(size=6 << 20))))
    taken = []
    reading = chunks.HashingReader.read

    def read(self: chunks.HashingReader, size: int = chunks.BLOCK_BYTES) -> bytes:
        block = reading(self, size)
        taken.append(len(block))
        return block

    monkeypatch.setattr(chunks.HashingReader, "read", read)
    others = sum(
        file.size for name, file in make(site, content).files.items() if name != "image.tar.gz"
    )
    assert sum(taken) == len(content) + others


@pytest.mark.parametrize(
    ("python", "links", "version"),
    [
        ("/usr/bin/python3.11", {}, "3.11"),
        ("/usr/bin/python3", {"usr/bin/python3": "python3.10"}, "3.10"),
        (
            "/v/bin/python",
            {"v/bin/python": "python3", "v/bin/python3": "/usr/bin/python3.8"},
            "3.8",
        ),
        ("/v/bin/python", {"v/bin/python": "python"}, ""),
        ("/v/bin/python", {"v/bin/python": "../../../../x"}, ""),
        ("/usr/bin/python", {}, ""),  # of the two that are there nobody knows which
    ],
)
def test_the_python_of_an_image_is_where_its_links_lead(
    tmp_path: Path, python: str, links: dict[str, str], version: str
) -> None:
    one = layer("usr/lib/python3.6/os.py", "usr/lib/python3.10/os.py", links=links)
    assert found(tmp_path, tarred(**saved(one)), python).python_version == version


def exported() -> bytes:
    return tarred(**{"bin/sh": b"", "etc/passwd": b"", "usr/bin/env": b"", "var/x": b""})


def oci_archive() -> bytes:
    files = saved(oci=True)
    return tarred(**{name: files[name] for name in files if name not in ("manifest.json",)})


def several() -> bytes:
    files = saved()
    (one,) = json.loads(files["manifest.json"])
    both = [one, {**one, "RepoTags": ["other:v1"]}]
    return tarred(**{**files, "manifest.json": json.dumps(both).encode()})


def lacking_a_layer() -> bytes:
    files = saved(VENV)
    return tarred(**{name: files[name] for name in files if not name.endswith("layer.tar")})


def lacking_its_document() -> bytes:
    files = saved()
    return tarred(**{name: files[name] for name in files if "manifest" in name})


def changed() -> bytes:
    return tarred(**saved()).replace(b'"os": "linux"', b'"os": "Linux"')


def manifest(text: str) -> Callable[[], bytes]:
    return lambda: tarred(**{**saved(), "manifest.json": text.encode()})


def bomb() -> bytes:
    return PACKERS[".gz"](tarred(**{**saved(), "zeros": bytes(8 << 20)}))


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "an export": (exported, "the files of a container, as `docker export` writes them"),
    "an OCI archive": (oci_archive, "an OCI archive without docker's manifest.json"),
    "a zip": (lambda: b"PK\x03\x04" + bytes(600), "it is a zip archive"),
    "a 7z": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(600), "it is a 7z archive"),
    "zstd": (lambda: b"\x28\xb5\x2f\xfd" + bytes(600), "it is a zstd file, which old docker"),
    "a page": (lambda: b"<html>no</html>", "it is a web page"),
    "a pointer": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
        "it is a Git LFS pointer",
    ),
    "nothing": (lambda: b"", "it is empty"),
    "zeros": (lambda: bytes(10240), "it begins with zeros"),
    "a cut gzip": (
        lambda: PACKERS[".gz"](tarred(**saved(VENV)))[:-5],
        "it is incomplete or damaged",
    ),
    "half a gzip": (
        lambda: PACKERS[".gz"](tarred(**saved(layer(size=99999))))[:60000],
        "it is incomplete",
    ),
    "a spoilt gzip": (
        lambda: PACKERS[".gz"](tarred(**saved(VENV)))[:-6] + b"xxxxxx",
        "it is incomplete",
    ),
    "a cut tar": (lambda: tarred(**saved(layer(size=99999)))[:60000], "it is incomplete"),
    "a packed tar of it": (
        lambda: tarred(**{"image.tar.gz": PACKERS[".gz"](tarred(**saved()))}),
        "('image.tar.gz'): unpack it once",
    ),
    "in a folder": (
        lambda: tarred(**{f"img/{k}": v for k, v in saved(VENV).items()}),
        "its manifest.json is in a folder ('img/manifest.json')",
    ),
    "another tar": (lambda: tarred(**{"a.txt": b"x", "b.txt": b"y"}), "without manifest.json (it"),
    "several images": (several, f"it has several images ({REFERENCE}, other:v1)"),
    "a layer less": (lacking_a_layer, "1 of its 1 layers are missing"),
    "no document": (lacking_its_document, ".json' is missing"),
    "a changed document": (changed, "its configuration does not match its id"),
    "for Windows": (lambda: tarred(**saved(os="windows")), "for windows"),
    "no list": (manifest("5"), "its manifest.json is not one of docker"),
    "an empty list": (manifest("[]"), "its manifest.json is not one of docker"),
    "a list of numbers": (manifest("[5]"), "its manifest.json is not one of docker"),
    "no Config": (manifest('[{"RepoTags": []}]'), "its manifest.json is not one of docker"),
    "no JSON": (manifest("[" * 100_000), "its manifest.json is not one of docker"),
    "no id": (manifest('[{"Config": "x", "Layers": []}]'), "its configuration 'x' is missing"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_archive_of_one_image_is_told_what_it_is(site: Path, case: str) -> None:
    content, said = CASES[case]
    with pytest.raises(InvalidInput) as error:
        make(site, content())
    assert str(error.value).startswith(f"{site}/store/image.tar.gz: not a Docker image archive: ")
    assert said in str(error.value) and str(error.value).isprintable()


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ((), f"it has no tag, because it was saved by its id: use `docker save {REFERENCE}`"),
        (("a:v1", "a:v2"), "it contains a:v1, a:v2, but"),
    ],
)
def test_an_archive_without_the_tag_is_refused(
    site: Path, tags: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        make(site, tarred(**saved(LAYER, tags=tags)))
    assert f": image.reference: {site}/store/image.tar.gz: {said}" in str(error.value)


def test_an_archive_that_explodes_is_not_read_to_its_end(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_archive, "MIN_UNPACKED_LIMIT_BYTES", 1 << 20)
    with pytest.raises(image_archive.ImageArchiveError, match="more than 100 times its size"):
        found(tmp_path, bomb())


def test_an_image_for_another_machine_than_the_drivers_is_told(site: Path) -> None:
    said = list[str]()
    (site / "store/image.tar.gz").write_bytes(tarred(**saved(LAYER, architecture="arm64")))
    document = release_files.load_document(site / "small.yml")
    locking.create_lock(document, site / "store", warn=said.append)
    assert said == [
        f"{site}/store/image.tar.gz: the image is for arm64, but the drivers are for amd64"
    ]


def test_a_folder_where_the_archive_should_be_is_told(site: Path) -> None:
    (site / "store/image.tar.gz").unlink()
    (site / "store/image.tar.gz").mkdir()
    with pytest.raises(InvalidInput, match=r"image\.tar\.gz: a folder, not a regular file"):
        locking.create_lock(release_files.load_document(site / "small.yml"), site / "store")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = draw(st.sampled_from([tarred(**saved(VENV)), PACKERS[".gz"](tarred(**saved(VENV)))]))
    begin = draw(st.integers(0, len(content)))
    end = min(len(content), begin + draw(st.integers(0, 600)))
    return content[:begin] + draw(st.binary(max_size=20)) + content[end:]


@given(st.one_of(damaged(), st.binary(max_size=100)))
@example(tarred(**{"manifest.json": b'[{"Config": {}, "Layers": 5}]'}))
@example(tarred(**{**saved(), "blobs/a": b"\x1f\x8b\x08", "x/layer.tar": b"BZh9"}))
def test_any_bytes_are_an_image_or_told_to_be_none(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    try:
        image = found(tmp_path_factory.getbasetemp(), content)
    except image_archive.ImageArchiveError as error:
        assert str(error).isprintable()
    else:
        assert image.id.startswith("sha256:")


@pytest.mark.parametrize("spoilt", [b"", b"hello", b"<html>404</html>", b"x" * (3 << 20)])
def test_a_layer_that_is_no_archive_is_told(tmp_path: Path, spoilt: bytes) -> None:
    with pytest.raises(image_archive.ImageArchiveError, match=r"its layer .* is not an archive"):
        found(tmp_path, tarred(**saved(VENV, spoilt)))


@pytest.mark.parametrize("whole", [bytes(1024), b"\x28\xb5\x2f\xfd" + b"x" * 600])
def test_an_empty_layer_and_a_packed_one_are_layers(tmp_path: Path, whole: bytes) -> None:
    assert found(tmp_path, tarred(**saved(VENV, whole))).python_version == "3.7"
