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
from fleet.store.paths import Warn, format_path

#: names of what has not come whole yet, of wget, aria2, browsers, Thunder and Baidu's client
PARTIAL_NAME = re.compile(
    r".*\.(incomplete|aria2|part|partial|crdownload|download|downloading|opdownload|xltd|td|td\.cfg"
    r"|bc!|!ut|!qb|qkdownload|aria2__temp|tmp|filepart|mlufleet-part)",
    re.IGNORECASE,
)
#: what a model is loaded from
MODEL_SUFFIXES = (
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
UNUSED_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".webp",
    ".svg",
    ".pdf",
    ".mp4",
    ".webm",
    ".md",
    ".html",
)
#: of transformers, read before anything else
CONFIG_NAMES = tuple(
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
VOCABULARY_NAME = re.compile(r"tokenizer\.json|vocab\.(json|txt)|.*\.(model|tiktoken)|merges\.txt")
INDEX_SUFFIX = ".index.json"
#: an index of these has nothing but its map
INDEX_NAME = re.compile(r".*\.(safetensors|bin|h5|msgpack)\.index\.json")
SHARD_NAME = re.compile(r"(.*-)(\d{5})(-of-)(\d{5})(\.\w+)")
#: bytes of a JSON document that is read, and of the header of safetensors (its own limit)
MAX_JSON_BYTES, MAX_SAFETENSORS_HEADER_BYTES = 64 << 20, 100_000_000


class _InvalidFile(Exception):
    """Why a file is no part of weights, in words."""


def check_files(folder: Path, names: list[str], warn: Warn) -> None:
    """:raises InvalidInput: a model cannot be loaded from these files"""
    present = set(names)
    for name in names:
        path = folder / name
        try:
            _check_file(path, warn)
            if name.endswith(INDEX_SUFFIX):
                _check_index(name, path, present, warn)
        except _InvalidFile as error:
            raise InvalidInput(f"{format_path(path)}: {error}") from error
        except OSError as error:
            raise InvalidInput(f"{format_path(path)}: cannot be read: {error.strerror}") from error
    _check_shards(folder, present)
    for half in sorted((folder / ".cache").rglob("*.incomplete"))[:1]:
        warn(f"{format_path(half)}: a download that has not ended, or was begun anew")
    _check_vocabulary(folder, present, warn)


def _check_file(path: Path, warn: Warn) -> None:
    name, ending = path.name, path.suffix.lower()
    if PARTIAL_NAME.fullmatch(name):
        raise _InvalidFile(
            "its name is that of a download that has not ended: fetch the rest, or remove it"
        )
    with path.open("rb") as stream:
        begin, size = stream.read(file_types.HEAD_BYTES), os.fstat(stream.fileno()).st_size
    if file_types.is_lfs_pointer(begin) and ending in UNUSED_SUFFIXES:
        warn(f"{format_path(path)}: a pointer of Git LFS")
    elif file_types.is_lfs_pointer(begin) or (
        file_types.is_web_page(begin) and ending not in UNUSED_SUFFIXES
    ):
        raise _InvalidFile(file_types.describe_content(begin))
    elif not size and ending in MODEL_SUFFIXES:
        raise _InvalidFile("it is empty: fetch it again")
    elif ending == ".safetensors":
        _check_safetensors(path, size)
    elif begin.startswith(b"PK\x03\x04") and ending in (".bin", ".pt", ".pth", ".ckpt", ".npz"):
        _check_zip(path)
    elif ending == ".gguf" and not begin.startswith(b"GGUF"):
        raise _InvalidFile(f"no GGUF: {file_types.describe_content(begin)}")
    elif name in CONFIG_NAMES:
        _load_json(path)
    elif ending in MODEL_SUFFIXES and _is_zero_filled(path, begin):
        warn(f"{format_path(path)}: begins and ends with zeros, as a download that was cut does")


def _is_zero_filled(path: Path, begin: bytes) -> bool:
    """Whether a file begins and ends with zeros, as one whose bytes have not come yet."""
    with path.open("rb") as stream:
        stream.seek(-len(begin), os.SEEK_END)
        return not any(begin) and not any(stream.read())


def _check_shards(folder: Path, present: set[str]) -> None:
    """Of files that count themselves (`-00001-of-00003`) all are there; an index may be missing.

    :raises InvalidInput: one is not
    """
    series: dict[tuple[str, ...], str] = {}
    for name in sorted(present):
        if shard := SHARD_NAME.fullmatch(name):
            series.setdefault(shard.group(1, 3, 4, 5), name)
    for (begin, of, count, ending), name in series.items():
        for number in range(1, min(int(count), len(present) + 1) + 1):
            other = f"{begin}{number:05}{of}{count}{ending}"
            if other not in present:
                raise InvalidInput(
                    f"{format_path(folder / other)}: is not there, and {format_path(name)} says "
                    "that it belongs to it: fetch it"
                )


def _check_safetensors(path: Path, size: int) -> None:
    with path.open("rb") as stream:
        begin = stream.read(8)
        length = struct.unpack("<Q", begin)[0] if len(begin) == 8 else 0
        if not 2 <= length <= MAX_SAFETENSORS_HEADER_BYTES or begin[:1] == b"{":
            raise _InvalidFile(
                "no safetensors: "
                + file_types.describe_content(begin + stream.read(file_types.HEAD_BYTES))
            )
        if 8 + length > size:
            raise _InvalidFile(f"it ends after {size} bytes, within its header: fetch it again")
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
            raise _InvalidFile("no safetensors: its header cannot be read") from error
    if size != needed:
        raise _InvalidFile(f"its header wants {needed} bytes, it has {size}: fetch it again")


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise _InvalidFile("it ends before its table of contents: fetch it again") from error


def _load_json(path: Path) -> Any:
    if path.stat().st_size > MAX_JSON_BYTES:
        return None
    content = path.read_bytes()
    try:
        return json.loads(content.decode())  # what loads a model reads UTF-8 without a mark
    except (ValueError, RecursionError) as error:
        raise _InvalidFile(
            f"no JSON: {file_types.describe_content(content[: file_types.HEAD_BYTES])}"
        ) from error


def _check_index(name: str, path: Path, present: set[str], warn: Warn) -> None:
    """The shards that an index names are there."""
    said = _load_json(path)
    shards = said.get("weight_map") if isinstance(said, dict) else None
    if not isinstance(shards, dict) or not shards:
        if INDEX_NAME.fullmatch(name):
            raise _InvalidFile("it names no files (weight_map): fetch it again")
        return
    folder = PurePosixPath(name).parent
    files = sorted({str(shard) for shard in shards.values()})
    for shard in files:
        if shard.startswith("/") or ".." in PurePosixPath(shard).parts:
            raise _InvalidFile(f"it names a file elsewhere: {format_path(shard)}")
    missing = [shard for shard in files if str(folder / shard) not in present]
    if not missing:
        return
    few = f"{', '.join(map(format_path, missing[:3]))}{', …' * (len(missing) > 3)}"
    lacks = f"{len(missing)} of the {len(files)} files that it names are not there: {few}"
    # the other format's index often comes along where only one format is wanted
    other = "model.safetensors" in {PurePosixPath(p).name for p in present} or any(
        p.endswith(f".safetensors{INDEX_SUFFIX}") and p != name for p in present
    )
    if len(missing) == len(files) and other and ".safetensors" not in path.name:
        warn(f"{format_path(path)}: {lacks}; safetensors are there instead")
        return
    raise _InvalidFile(lacks)


def _check_vocabulary(folder: Path, present: set[str], warn: Warn) -> None:
    """A tokenizer that is described has a vocabulary."""
    for name in present:
        if PurePosixPath(name).name == "tokenizer_config.json":
            beside = PurePosixPath(name).parent
            if not any(
                VOCABULARY_NAME.fullmatch(PurePosixPath(p).name)
                for p in present
                if PurePosixPath(p).parent == beside
            ):
                warn(
                    f"{format_path(folder / name)}: no vocabulary is beside it (tokenizer.model, "
                    "tokenizer.json, vocab.txt, …)"
                )
