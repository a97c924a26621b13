"""Weights that a model cannot be loaded from are not locked; nothing but plain files is."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.release import files as release_files
from fleet.store import weights
from fleet.store.weight_files import InvalidFile, check_file
from mlufleet.cli.main import main
from tests.unit.conftest import git

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'1' * 64}\nsize 9\n".encode()
ENDED = "its name is that of an unfinished download"
PAGE = b"<!DOCTYPE html>\n<html><head><title>401</title></head></html>\n"


def tensors(size: int = 8, tail: bytes = b"") -> bytes:
    head = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "w": {"dtype": "F16", "shape": [size // 2], "data_offsets": [0, size]},
        }
    ).encode()
    return struct.pack("<Q", len(head)) + head + b"\1" * size + tail


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}." * 100)
    return target.getvalue()


def index(*shards: str) -> bytes:
    return json.dumps({"metadata": {}, "weight_map": {f"l.{s}": s for s in shards}}).encode()


def make(site: Path) -> tuple[set[str], list[str]]:
    """Names of the weights in the lock, and the warnings."""
    said = list[str]()
    document = release_files.load_document(site / "small.yml")
    lock = locking.create_lock(document, site / "store", warn=said.append)
    return set(lock.files_in("weights")), said


def check(folder: Path, names: list[str], warn: Callable[[str], None] = print) -> None:
    """Refuse the files as a lock does."""
    if problems := weights.inspect_files(folder, names, warn).problems:
        raise InvalidInput("\n".join(problems))


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.fixture
def place(site: Path) -> Path:
    (site / "store/weights/model.bin").unlink()
    return site / "store/weights"


FILES: dict[str, tuple[dict[str, bytes], str]] = {
    "a pointer": ({"model.safetensors": POINTER}, "model.safetensors: it is a Git LFS pointer"),
    "a pointer with CRLF": (
        {"model.safetensors": POINTER.replace(b"\n", b"\r\n")},
        "model.safetensors: it is a Git LFS pointer",
    ),
    "a tokenizer's": ({"m.bin": b"x", "tokenizer.model": POINTER}, "it is a Git LFS pointer"),
    "one below": (
        {"m.bin": b"x", "unet/model.bin": POINTER},
        "unet/model.bin: it is a Git LFS pointer",
    ),
    "an absent shard": (
        {
            "model.safetensors.index.json": index("1.safetensors", "2.safetensors"),
            "1.safetensors": tensors(),
        },
        "1 of its 2 files are missing: 2.safetensors",
    ),
    "all shards": (
        {"model.safetensors.index.json": index("1.safetensors")},
        "1 of its 1 files are missing: 1.safetensors",
    ),
    "a shard below": (
        {"a/pytorch_model.bin.index.json": index("1.bin"), "1.bin": b"x"},
        "1 of its 1 files",
    ),
    "an index elsewhere": (
        {"model.safetensors.index.json": index("../1.safetensors")},
        "it lists a file outside of its folder: ../1.safetensors",
    ),
    "an absolute one": (
        {"model.safetensors.index.json": index("/etc/shadow")},
        "it lists a file outside of its folder: /etc/shadow",
    ),
    "an index that is none": ({"model.safetensors.index.json": b"{"}, "not valid JSON"),
    "incomplete": ({"model.bin.incomplete": b"x"}, ENDED),
    "aria2": ({"model.bin": b"x", "model.bin.aria2": b"x"}, ENDED),
    "part": ({"model.bin.part": b"x"}, ENDED),
    "a browser's": ({"model.bin.crdownload": b"x"}, ENDED),
    "Thunder's": ({"model.bin.xltd": b"x"}, ENDED),
    "Baidu's": ({"m.bin.baiduyun.p.downloading": b"x"}, ENDED),
    "a page": ({"config.json": PAGE}, "config.json: it is a web page"),
    "a page for weights": ({"model.bin": b"\xef\xbb\xbf\n" + PAGE}, "it is a web page"),
    "an error of S3": (
        {"model.bin": b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code>"},
        "it is a web page",
    ),
    "an error of a hub": (
        {"model.safetensors": b'{"error":"Repository not found"}'},
        "it is an error message of a web site",
    ),
    "half a config": ({"config.json": b'{"model_type": "llama",'}, "config.json: not valid JSON"),
    "an empty config": ({"config.json": b""}, "config.json: it is empty"),
    "an empty file": ({"model.bin": b""}, "model.bin: it is empty"),
    "an empty tokenizer": ({"m.bin": b"x", "tokenizer.model": b""}, "tokenizer.model: it is empty"),
    "cut tensors": ({"model.safetensors": tensors(4096)[:-100]}, "but its header expects"),
    "a cut header": ({"model.safetensors": tensors(4096)[:30]}, "within its header"),
    "a tail": ({"model.safetensors": tensors(8, b"more")}, "but its header expects"),
    "no tensors": ({"model.safetensors": zipped()}, "not a safetensors file: it is a zip archive"),
    "a header of noise": (
        {"model.safetensors": struct.pack("<Q", 20) + b"\xff" * 20},
        "its header cannot be read",
    ),
    "a cut zip": ({"pytorch_model.bin": zipped()[:-30]}, "ends before its table of contents"),
    "a cut checkpoint": ({"a.pth": zipped()[:200]}, "ends before its table of contents"),
    "no gguf": ({"model.gguf": b"ggml" * 9}, "not a GGUF file"),
    "the cache": (
        {"blobs/1": b"x", "snapshots/2/m.bin": b"x", "refs/main": b"2"},
        "weights: the cache of Hugging Face",
    ),
    "the cache below": (
        {"models--a--b/blobs/1": b"x", "models--a--b/snapshots/2/m.bin": b"x"},
        "weights/models--a--b: the cache of Hugging Face",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_weights_that_no_model_can_be_loaded_from_are_refused(
    site: Path, place: Path, case: str
) -> None:
    files, said = FILES[case]
    write(place, files)
    with pytest.raises(InvalidInput) as error:
        make(site)
    assert said in str(error.value) and str(place) in str(error.value)


def test_weights_as_they_should_be_are_locked_without_a_word(site: Path, place: Path) -> None:
    write(
        place,
        {
            "model-1.safetensors": tensors(),
            "model-2.safetensors": tensors(16),
            "model.safetensors.index.json": index("model-1.safetensors", "model-2.safetensors"),
            "pytorch_model.bin": zipped(),
            "old.bin": b"\x80\x02legacy",
            "config.json": b'{"a": 1}',
            "tokenizer_config.json": b"{}",
            "tokenizer.model": b"\n\x0e",
            "modeling/__init__.py": b"",
            "README.md": b"<html>",
            ".gitattributes": b"*.bin filter=lfs\n",
            "a file.txt": b"x",
            "权重.json": b"[]",
            "q.gguf": b"GGUF\3",
            "empty.safetensors": struct.pack("<Q", 2) + b"{}",
        },
    )
    write(place, {".cache/huggingface/download/a.metadata": b"x", ".git/HEAD": b"ref: x"})
    found, said = make(site)
    assert len(found) == 15 and said == [] and "a file.txt" in found


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {
                "m.safetensors": tensors(),
                "model.safetensors": tensors(),
                "pytorch_model.bin.index.json": index("1.bin"),
            },
            "safetensors files exist instead",
        ),
        ({"tokenizer_config.json": b"{}"}, "no vocabulary beside it"),
        ({"logo.png": POINTER}, "logo.png: a Git LFS pointer"),
        ({"model.bin": bytes(4096)}, "begins and ends with zeros"),
        (
            {"m.bin": b"x", ".cache/huggingface/download/m.bin.1.incomplete": b"x"},
            "m.bin.1.incomplete: an unfinished download",
        ),
        ({"Model.bin": b"x", "model.bin": b"x"}, "its name from 'Model.bin'"),
        ({"\u00e9.bin": b"x", "e\u0301.bin": b"x"}, "other systems cannot tell"),
    ],
)
def test_what_may_be_wrong_and_may_be_meant_is_told(
    site: Path, place: Path, files: dict[str, bytes], said: str
) -> None:
    write(place, files)
    (warning,) = make(site)[1]
    assert said in warning and "\n" not in warning


def dangling(path: Path) -> None:
    path.symlink_to("../../blobs/0123")


def of_itself(path: Path) -> None:
    path.symlink_to(path.name)


def to_a_folder(path: Path) -> None:
    (path.parent.parent / "elsewhere").mkdir()
    path.symlink_to(path.parent.parent / "elsewhere")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def bound(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as one:  # by a short name: the whole one may be too long
            one.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def of_the_system(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def secret(path: Path) -> None:
    key = path.parents[2] / ".ssh/id_ed25519"
    key.parent.mkdir(exist_ok=True)
    key.write_text("of the operator")
    path.symlink_to(key)


@pytest.mark.parametrize(
    "where",
    [
        "weights/model.bin",
        "image.tar.gz",
        "wheels/a.whl",
        "docker/a.deb",
        "driver.deb",
        "model.bundle",
    ],
)
@pytest.mark.parametrize(
    ("there", "said"),
    [
        (dangling, "a link to ../../blobs/0123, which does not exist"),
        (of_itself, "a link to "),
        (to_a_folder, "folder"),
        (os.mkfifo, "a FIFO, not a regular file"),
        (bound, "a socket, not a regular file"),
        (device, "a device, not a regular file"),
        (of_the_system, "a link to /etc/passwd, which cannot be a vendor's file"),
        (secret, "/.ssh/id_ed25519, which cannot be a vendor's file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_nothing_but_a_plain_file_is_taken_and_nothing_hangs(
    site: Path, where: str, there: Callable[[Path], None], said: str
) -> None:
    path = site / "store" / where
    path.unlink(missing_ok=True)
    there(path)
    done = CliRunner().invoke(
        main, ["lock", str(site / "small.yml"), "--store", str(site / "store")]
    )
    assert done.exit_code == 3 and done.output.count("\n") == 1, done.output
    assert str(path) in done.output and said in done.output
    assert not (site / "small.lock.json").exists()


def test_links_to_plain_files_are_followed_and_those_out_of_the_store_told(
    site: Path, place: Path
) -> None:
    write(site, {"store/blobs/1": b"one", "outside": b"two"})
    (place / "a.bin").symlink_to("../blobs/1")
    assert make(site) == ({"a.bin"}, [])
    for name in ("b.bin", "c.bin"):
        (place / name).symlink_to(site / "outside")
    found, (warning,) = make(site)
    assert found == {"a.bin", "b.bin", "c.bin"}
    assert f"{place}/b.bin (and 1 more): a link to {site}/outside, outside of the store" in warning
    # a whole store, and a folder of it, may lie elsewhere
    (site / "store").rename(site / "big")
    (site / "store").symlink_to("big")
    (place / "a.bin").unlink()
    place.rename(site / "data")
    place.symlink_to(site / "data")
    assert make(site)[0] == found - {"a.bin"}


@pytest.mark.parametrize(
    "name",
    [
        b"a\nb.bin",
        b"a\tb",
        b"\x1b[2J",
        b"\xff\xfe.bin",
        b"-rf",
        "a\u2028b".encode(),
        "a\u202egnp.exe".encode(),
        b"a\\b",
        b"a ",
        "a\u200b".encode(),
    ],
)
def test_a_name_that_nobody_can_read_or_type_is_refused_in_one_line(
    site: Path, place: Path, name: bytes
) -> None:
    with open(os.fsencode(place) + b"/" + name, "wb") as stream:
        stream.write(b"x")
    done = CliRunner().invoke(
        main, ["lock", str(site / "small.yml"), "--store", str(site / "store")]
    )
    assert done.exit_code == 3 and done.output.count("\n") == 1 and "rename it" in done.output
    assert done.output[:-1].isprintable() and "the name" in done.output


def test_a_folder_that_may_not_be_entered_is_told(
    site: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, {"a/m.bin": b"x"})

    def scandir(path: Path) -> object:
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return entries(path)

    entries = os.scandir
    monkeypatch.setattr("os.scandir", scandir)
    with pytest.raises(InvalidInput, match="weights/a: cannot be read: Permission denied"):
        make(site)


def test_a_store_of_links_is_told_once(site: Path) -> None:
    (site / "store").rename(site / "big")
    (site / "store").mkdir()
    for path in (site / "big").iterdir():
        (site / "store" / path.name).symlink_to(path)
    (warning,) = make(site)[1]
    assert "(and 3 more): a link to " in warning and f"{site}/big/" in warning


@pytest.mark.parametrize("name", ["image.tar.gz", "driver.deb", "model.bundle"])
def test_a_file_whose_download_goes_on_beside_it_is_refused(site: Path, name: str) -> None:
    (site / f"store/{name}.aria2").write_bytes(b"x")
    with pytest.raises(InvalidInput, match=rf"{name}\.aria2 exists"):
        make(site)


def test_a_checkout_whose_large_files_never_came_is_refused(site: Path, place: Path) -> None:
    write(place, {"model.safetensors": POINTER, "config.json": b"{}"})
    git("init", "-q", cwd=place)
    git("add", ".", cwd=place)
    git("commit", "-qm", "weights", cwd=place)
    with pytest.raises(InvalidInput, match=r"model\.safetensors: it is a Git LFS pointer"):
        make(site)


@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda length, text: struct.pack("<Q", length) + text,
            st.integers(0, 2**64 - 1),
            st.binary(max_size=50),
        ),
    ),
    name=st.sampled_from(["a.safetensors", "a.bin", "config.json", "a.index.json"]),
)
@example(content=struct.pack("<Q", 2) + b"[]", name="a.safetensors")
@example(content=struct.pack("<Q", 8) + b'{"a": 1}', name="a.safetensors")
@example(content=b"[" * 100_000, name="config.json")
@example(content=b'{"weight_map": {"a": {"b": 1}}}', name="a.index.json")
@example(content=b"PK\x03\x04" + b"PK\x05\x06" + b"\xff" * 18, name="a.bin")
def test_any_bytes_are_weights_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        check(path.parent, [name], lambda line: None)
    except InvalidInput as error:
        assert str(error).startswith(f"{path}: ") and str(error).isprintable()
    with suppress(InvalidFile):
        size = check_file(path, lambda line: None)
        assert size.stored >= size.half >= 0


@pytest.mark.parametrize(
    "content",
    [
        b"Entry not found",
        b"Invalid username or password.",
        b"404: Not Found\n",
        b"Unauthorized",
        b"Access to model x/y is restricted"[:6] + b" denied",
        b"error code: 1015",
    ],
)
def test_the_message_of_a_site_is_no_file(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {"config.json": b"{}", "pytorch_model.bin": content})
    with pytest.raises(InvalidInput, match=r"pytorch_model\.bin: it is a web page"):
        check(tmp_path, ["config.json", "pytorch_model.bin"], print)


@pytest.mark.parametrize(
    "names",
    [
        ["model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"],
        ["model-00001-of-99999.safetensors"],
        ["sub/model-00002-of-00002.safetensors"],
    ],
)
def test_all_of_a_series_is_there_without_an_index(tmp_path: Path, names: list[str]) -> None:
    write(tmp_path, dict.fromkeys(names, tensors()))
    with pytest.raises(InvalidInput, match=r"missing, although .* is one of"):
        check(tmp_path, names, print)


def test_a_whole_series_is_one(tmp_path: Path) -> None:
    names = [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    write(tmp_path, dict.fromkeys(names, tensors()))
    check(tmp_path, names, print)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"weight_map": {}}', b'{"weight_map": [1]}'])
def test_an_index_without_files_is_none(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {"model.safetensors.index.json": content})
    with pytest.raises(InvalidInput, match="it lists no files"):
        check(tmp_path, ["model.safetensors.index.json"], print)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf{}", "{}".encode("utf-16")])
def test_a_configuration_is_plain_utf_8(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {"config.json": content})
    with pytest.raises(InvalidInput, match=r"config\.json: not valid JSON"):
        check(tmp_path, ["config.json"], print)


@pytest.mark.parametrize("ending", ["!qB", "qkdownload", "aria2__temp"])
def test_more_downloads_that_have_not_ended(tmp_path: Path, ending: str) -> None:
    write(tmp_path, {f"model.bin.{ending}": b"x"})
    with pytest.raises(InvalidInput, match=ENDED):
        check(tmp_path, [f"model.bin.{ending}"], print)
