"""Weights are complete, and fit the memory of the cards that the program uses."""

from __future__ import annotations

import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.proof.weights import find_visible_cards, measure_model
from fleet.release import files as release_files
from fleet.release.lockfile import Lock, LockedFile
from fleet.store import measure as store_measure
from fleet.store import weights
from fleet.store.weight_files import ParameterSize

BILLION = 1_000_000_000
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'1' * 64}\nsize 9\n".encode()


def put_tensors(path: Path, count: int, dtype: str = "F16") -> None:
    """Write a safetensors file of one tensor; its numbers are a hole on the disk."""
    size = count * {"F32": 4, "F16": 2, "BF16": 2, "I8": 1}[dtype]
    tensor = {"dtype": dtype, "shape": [count], "data_offsets": [0, size]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": tensor}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(header)) + header)
        stream.truncate(8 + len(header) + size)


class Storage:
    """A storage of PyTorch, which its pickle refers to and does not contain."""

    def __init__(self, kind: str, number: int, size: int) -> None:
        self.kind, self.number, self.size = kind, number, size


class StoragePickler(pickle.Pickler):
    """Refers to storages as `torch.save` does."""

    def persistent_id(self, value: Any) -> object:
        if not isinstance(value, Storage):
            return None
        kind = getattr(fake_torch, value.kind)
        return ("storage", kind, str(value.number), "cpu", value.size)


fake_torch = ModuleType("torch")
for _name in ("HalfStorage", "BFloat16Storage", "FloatStorage"):
    setattr(fake_torch, _name, type(_name, (), {"__module__": "torch"}))


def put_storages(path: Path, *storages: tuple[str, int]) -> None:
    """Write an archive as `torch.save` does: a pickle, and each storage uncompressed."""
    state = {f"w{n}": Storage(kind, n, size) for n, (kind, size) in enumerate(storages)}
    text = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", fake_torch)
        StoragePickler(text, protocol=2).dump(state)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", text.getvalue())
        for number, (_, size) in enumerate(storages):
            archive.writestr(f"archive/data/{number}", bytes(size))
        archive.writestr("archive/version", b"3\n")


def measure(folder: Path) -> ParameterSize:
    names = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file()]
    inspection = weights.inspect_files(folder, names, print)
    assert inspection.problems == []
    return measure_model(inspection)


def test_parameters_are_counted_in_the_type_that_is_stored(tmp_path: Path) -> None:
    put_tensors(tmp_path / "model.safetensors", 100, "F32")
    assert measure(tmp_path) == ParameterSize(400, 200)
    put_tensors(tmp_path / "model.safetensors", 100, "BF16")
    assert measure(tmp_path) == ParameterSize(200, 200)
    put_tensors(tmp_path / "model.safetensors", 100, "I8")
    assert measure(tmp_path) == ParameterSize(100, 100)


def test_storages_of_pytorch_are_counted_by_their_types(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    put_storages(path, ("HalfStorage", 60), ("BFloat16Storage", 40))
    assert measure(tmp_path) == ParameterSize(100, 100)
    # as in LLaMA's, whose frequencies are float32 beside parameters of float16
    put_storages(path, *[("HalfStorage", 60), ("FloatStorage", 40)] * 2)
    assert measure(tmp_path) == ParameterSize(200, 160)
    # an old pickle does not tell: the file's size is an upper bound
    path.write_bytes(b"\x80\x02" + bytes(98) + b"x")
    assert measure(tmp_path) == ParameterSize(101, 0)


def test_an_index_states_what_old_pickles_do_not(tmp_path: Path) -> None:
    for name in ("1.bin", "2.bin"):
        (tmp_path / name).write_bytes(b"\x80\x02" + bytes(97) + b"x")
    index = {"metadata": {"total_size": 150}, "weight_map": {"a": "1.bin", "b": "2.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert measure(tmp_path) == ParameterSize(150, 75)
    index["metadata"] = {"total_size": "much"}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert measure(tmp_path) == ParameterSize(200, 0)


def test_one_format_and_one_precision_is_loaded(tmp_path: Path) -> None:
    for name in ("unet/model.safetensors", "unet/model.fp16.safetensors", "vae/model.safetensors"):
        put_tensors(tmp_path / name, 50)
    put_storages(tmp_path / "pytorch_model.bin", ("HalfStorage", 1000))
    put_storages(tmp_path / "optimizer.pt", ("FloatStorage", 9000))
    assert measure(tmp_path) == ParameterSize(200, 200)


def test_what_an_index_does_not_list_is_no_part_of_the_model(tmp_path: Path) -> None:
    for name in ("1.safetensors", "2.safetensors", "consolidated.safetensors"):
        put_tensors(tmp_path / name, 50)
    index = {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert measure(tmp_path) == ParameterSize(200, 200)


@pytest.fixture
def folder(site: Path) -> Path:
    (site / "store/weights/model.bin").unlink()
    return site / "store/weights"


def lock(site: Path, devices: str | None, models: str = "") -> tuple[Lock, list[str]]:
    """Lock the release with cards for its program; return the lock and the warnings."""
    path = site / "small.yml"
    text = path.read_text().replace("name: small\n", f"name: small\n{models}\n")
    if devices is not None:
        environment = f'environment: {{MLU_VISIBLE_DEVICES: "{devices}"}}'
        text = text.replace("expect: yes!", f"expect: yes!, {environment}")
    path.write_text(text)
    said = list[str]()
    made = locking.create_lock(release_files.load_document(path), site / "store", warn=said.append)
    return made, said


@pytest.fixture(autouse=True)
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about checksums, and gigabytes of zeros take seconds to read."""
    original = store_measure.measure_file

    def skip_large(path: Path, inspect: Any = None) -> LockedFile:
        if path.stat().st_size > 1 << 20:
            return LockedFile(sha256="0" * 64, size=path.stat().st_size)
        return original(path, inspect)

    monkeypatch.setattr(store_measure, "measure_file", skip_large)


def test_seven_billion_parameters_fit_one_card_with_and_without_ecc(
    site: Path, folder: Path
) -> None:
    put_tensors(folder / "model.safetensors", 7 * BILLION)
    made, said = lock(site, "0")
    assert said == [] and made.unproved == ()


def test_thirteen_billion_parameters_need_two_cards(site: Path, folder: Path) -> None:
    put_tensors(folder / "model.safetensors", 13 * BILLION)
    assert lock(site, "0,1")[1] == []


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_what_does_not_fit_the_cards_is_refused(site: Path, folder: Path, dtype: str) -> None:
    put_tensors(folder / "model.safetensors", 13 * BILLION, dtype)
    with pytest.raises(InvalidInput) as refused:
        lock(site, "0")
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{site}/small.yml:") and ": weights.0: parameters of " in line
    assert "24796 MiB" in line and "1 card MLU370-X8 (23374 MiB, 20638 MiB with ECC each)" in line


@pytest.mark.parametrize(
    ("count", "dtype", "expected"),
    [
        (
            11 * BILLION,
            "F16",
            "they fit 1 card MLU370-X8 (23374 MiB, 20638 MiB with ECC each) only",
        ),
        (10 * BILLION + BILLION // 2, "F16", "they take 85 % of 1 card MLU370-X4 (23308 MiB each)"),
        (7 * BILLION, "F32", "only in half precision"),
    ],
)
def test_what_fits_barely_is_told_with_figures(
    site: Path, folder: Path, count: int, dtype: str, expected: str
) -> None:
    put_tensors(folder / "model.safetensors", count, dtype)
    (warning,) = lock(site, "0")[1]
    assert "weights: parameters of " in warning and expected in warning


def test_without_a_number_of_cards_nothing_is_refused(site: Path, folder: Path) -> None:
    put_tensors(folder / "model.safetensors", 13 * BILLION)
    made, (warning,) = lock(site, None)
    assert "MLU_VISIBLE_DEVICES does not say how many cards" in warning
    assert [point.field for point in made.unproved or ()] == ["weights"]


def test_a_release_may_name_the_models_of_its_cards(site: Path, folder: Path) -> None:
    put_tensors(folder / "model.safetensors", 13 * BILLION)
    made, said = lock(site, "0", "card_models: [MLU370-M8]")
    # its memory was never seen
    assert said == [] and [point.reason for point in made.unproved or ()] == [
        "the memory of MLU370-M8 is not known"
    ]


def test_everything_that_is_wrong_is_said_at_once(site: Path, folder: Path) -> None:
    (folder / "a.safetensors").write_bytes(POINTER)
    (folder / "b.bin").write_bytes(b"<!DOCTYPE html>\n<html></html>")
    (folder / "c.safetensors").write_bytes(struct.pack("<Q", 90) + b"{")
    put_tensors(folder / "model-00001-of-00003.safetensors", 4)
    index = {"weight_map": {"a": "x.safetensors", "b": "a.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InvalidInput) as refused:
        lock(site, "0")
    lines = str(refused.value).splitlines()
    text = (site / "small.yml").read_text()
    number = text[: text.index("- {name: tiny")].count("\n") + 1
    place = f"{site}/small.yml:{number}: weights.0.folder: "
    assert all(line.startswith(place) for line in lines)
    for name, problem in (
        ("a.safetensors", "it is a Git LFS pointer"),
        ("b.bin", "it is a web page"),
        ("c.safetensors", "it ends after 9 bytes"),
        ("model.safetensors.index.json", "1 of its 2 files are missing: x.safetensors"),
        ("model-00002-of-00003.safetensors", "missing, although "),
    ):
        assert sum(f"/{name}: {problem}" in line for line in lines) == 1
    assert len(lines) == 5


def test_the_cards_of_a_program_are_its_own_or_the_containers(site: Path) -> None:
    release = release_files.load_release(site / "small.yml")
    assert find_visible_cards(release) is None
    container = release.container.model_copy(
        update={"environment": {"MLU_VISIBLE_DEVICES": "0,1,2"}}
    )
    changed = release.model_copy(update={"container": container})
    assert find_visible_cards(changed) == 3
    smoke = release.smoke.model_copy(update={"environment": {"MLU_VISIBLE_DEVICES": "5"}})
    assert find_visible_cards(changed.model_copy(update={"smoke": smoke})) == 1
