"""Weights that a model can be loaded from, as far as that is known without loading them.

A few bytes of each file are read; gigabytes are read once, when they are summed up.
"""

from __future__ import annotations

import json
import os
import re
import struct
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from fleet.errors import InvalidInput
from fleet.store import file_types
from fleet.store.paths import Warn, shown

#: names of what has not come whole yet, of wget, aria2, browsers, Thunder and Baidu's client
PARTIAL = re.compile(
    r".*\.(incomplete|aria2|part|partial|crdownload|download|downloading|opdownload|xltd|td|td\.cfg"
    r"|bc!|!ut|!qb|qkdownload|aria2__temp|tmp|filepart|mlufleet-part)",
    re.IGNORECASE,
)
#: what a model is loaded from
MODEL = (
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".gguf",
    ".ggml",
    ".onnx",
    ".model",
    ".npz",
    ".npy",
    ".h5",
    ".msgpack",
    ".tiktoken",
    ".json",
    ".cambricon",
)
#: what a site may have left as it is in a checkout: nothing reads it
SEEN = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".pdf", ".mp4", ".webm", ".md", ".html")
#: of transformers, read before anything else
CONFIGS = tuple(
    f"{name}.json"
    for name in (
        "config",
        "generation_config",
        "tokenizer_config",
        "tokenizer",
        "special_tokens_map",
        "preprocessor_config",
        "adapter_config",
    )
)
VOCABULARIES = re.compile(r"tokenizer\.json|vocab\.(json|txt)|.*\.(model|tiktoken)|merges\.txt")
INDEX = ".index.json"
#: an index of these has nothing but its map
INDEXED = re.compile(r".*\.(safetensors|bin|h5|msgpack)\.index\.json")
SHARD = re.compile(r"(.*-)(\d{5})(-of-)(\d{5})(\.\w+)")
#: bytes of a JSON document that is read, and of the header of safetensors (its own limit)
LARGEST, HEADER = 64 << 20, 100_000_000


class _Refused(Exception):
    """Why a file is no part of weights, in words."""


def check(folder: Path, names: list[str], warn: Warn) -> None:
    """:raises InvalidInput: a model cannot be loaded from these files"""
    present = set(names)
    for name in names:
        path = folder / name
        try:
            _one(path, warn)
            if name.endswith(INDEX):
                _index(name, path, present, warn)
        except _Refused as error:
            raise InvalidInput(f"{shown(path)}: {error}") from error
        except OSError as error:
            raise InvalidInput(f"{shown(path)}: cannot be read: {error.strerror}") from error
    _series(folder, present)
    for half in sorted((folder / ".cache").rglob("*.incomplete"))[:1]:
        warn(f"{shown(half)}: a download that has not ended, or was begun anew")
    _vocabulary(folder, present, warn)


def _one(path: Path, warn: Warn) -> None:
    name, ending = path.name, path.suffix.lower()
    if PARTIAL.fullmatch(name):
        raise _Refused(
            "its name is that of a download that has not ended: fetch the rest, or remove it"
        )
    with path.open("rb") as stream:
        begin, size = stream.read(file_types.ENOUGH), os.fstat(stream.fileno()).st_size
    if file_types.pointer(begin) and ending in SEEN:
        warn(f"{shown(path)}: a pointer of Git LFS")
    elif file_types.pointer(begin) or (file_types.page(begin) and ending not in SEEN):
        raise _Refused(file_types.told(begin))
    elif not size and ending in MODEL:
        raise _Refused("it is empty: fetch it again")
    elif ending == ".safetensors":
        _safetensors(path, size)
    elif begin.startswith(b"PK\x03\x04") and ending in (".bin", ".pt", ".pth", ".ckpt", ".npz"):
        _zipped(path)
    elif ending == ".gguf" and not begin.startswith(b"GGUF"):
        raise _Refused(f"no GGUF: {file_types.told(begin)}")
    elif name in CONFIGS:
        _json(path)
    elif ending in MODEL and _hollow(path, begin):
        warn(f"{shown(path)}: begins and ends with zeros, as a download that was cut does")


def _hollow(path: Path, begin: bytes) -> bool:
    """Whether a file begins and ends with zeros, as one whose bytes have not come yet."""
    with path.open("rb") as stream:
        stream.seek(-len(begin), os.SEEK_END)
        return not any(begin) and not any(stream.read())


def _series(folder: Path, present: set[str]) -> None:
    """Of files that count themselves (`-00001-of-00003`) all are there; an index may be missing.

    :raises InvalidInput: one is not
    """
    series: dict[tuple[str, ...], str] = {}
    for name in sorted(present):
        if shard := SHARD.fullmatch(name):
            series.setdefault(shard.group(1, 3, 4, 5), name)
    for (begin, of, count, ending), name in series.items():
        for number in range(1, min(int(count), len(present) + 1) + 1):
            other = f"{begin}{number:05}{of}{count}{ending}"
            if other not in present:
                raise InvalidInput(
                    f"{shown(folder / other)}: is not there, and {shown(name)} says "
                    "that it belongs to it: fetch it"
                )


def _safetensors(path: Path, size: int) -> None:
    with path.open("rb") as stream:
        begin = stream.read(8)
        length = struct.unpack("<Q", begin)[0] if len(begin) == 8 else 0
        if not 2 <= length <= HEADER or begin[:1] == b"{":
            raise _Refused(
                f"no safetensors: {file_types.told(begin + stream.read(file_types.ENOUGH))}"
            )
        if 8 + length > size:
            raise _Refused(f"it ends after {size} bytes, within its header: fetch it again")
        try:
            tensors = json.loads(stream.read(length))
            ends = [
                one["data_offsets"][1] for name, one in tensors.items() if name != "__metadata__"
            ]
            needed = 8 + length + max([0, *map(int, ends)])
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
            OverflowError,
        ) as error:
            raise _Refused("no safetensors: its header cannot be read") from error
    if size != needed:
        raise _Refused(f"its header wants {needed} bytes, it has {size}: fetch it again")


def _zipped(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise _Refused("it ends before its table of contents: fetch it again") from error


def _json(path: Path) -> Any:
    if path.stat().st_size > LARGEST:
        return None
    content = path.read_bytes()
    try:
        return json.loads(content.decode())  # what loads a model reads UTF-8 without a mark
    except (ValueError, RecursionError) as error:
        raise _Refused(f"no JSON: {file_types.told(content[: file_types.ENOUGH])}") from error


def _index(name: str, path: Path, present: set[str], warn: Warn) -> None:
    """The shards that an index names are there."""
    said = _json(path)
    shards = said.get("weight_map") if isinstance(said, dict) else None
    if not isinstance(shards, dict) or not shards:
        if INDEXED.fullmatch(name):
            raise _Refused("it names no files (weight_map): fetch it again")
        return
    folder = PurePosixPath(name).parent
    files = sorted({str(shard) for shard in shards.values()})
    for shard in files:
        if shard.startswith("/") or ".." in PurePosixPath(shard).parts:
            raise _Refused(f"it names a file elsewhere: {shown(shard)}")
    missing = [shard for shard in files if str(folder / shard) not in present]
    if not missing:
        return
    few = f"{', '.join(map(shown, missing[:3]))}{', …' * (len(missing) > 3)}"
    lacks = f"{len(missing)} of the {len(files)} files that it names are not there: {few}"
    # the other format's index often comes along where only one format is wanted
    other = "model.safetensors" in {PurePosixPath(p).name for p in present} or any(
        p.endswith(f".safetensors{INDEX}") and p != name for p in present
    )
    if len(missing) == len(files) and other and ".safetensors" not in path.name:
        warn(f"{shown(path)}: {lacks}; safetensors are there instead")
        return
    raise _Refused(lacks)


def _vocabulary(folder: Path, present: set[str], warn: Warn) -> None:
    """A tokenizer that is described has a vocabulary."""
    for name in present:
        if PurePosixPath(name).name == "tokenizer_config.json":
            beside = PurePosixPath(name).parent
            if not any(
                VOCABULARIES.fullmatch(PurePosixPath(p).name)
                for p in present
                if PurePosixPath(p).parent == beside
            ):
                warn(
                    f"{shown(folder / name)}: no vocabulary is beside it (tokenizer.model, "
                    "tokenizer.json, vocab.txt, …)"
                )
