"""Check that a model can be loaded from weights, as far as that is visible without loading them.

Only the beginning and end of each file are read here; the whole file is read when it is measured.
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

#: names of unfinished downloads of wget, aria2, browsers, Thunder and Baidu's client
PARTIAL_NAME = re.compile(
    r".*\.(incomplete|aria2|part|partial|crdownload|download|downloading|opdownload|xltd|td|td\.cfg"
    r"|bc!|!ut|!qb|qkdownload|aria2__temp|tmp|filepart|mlufleet-part)",
    re.IGNORECASE,
)
#: suffixes of files that a model is loaded from
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
#: suffixes of files that nothing reads, so that a Git LFS pointer in their place does no harm
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
#: configuration files of transformers
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
#: names of index files that must have a weight_map
INDEX_NAME = re.compile(r".*\.(safetensors|bin|h5|msgpack)\.index\.json")
SHARD_NAME = re.compile(r"(.*-)(\d{5})(-of-)(\d{5})(\.\w+)")
#: bound of a JSON document that is read, and of the header of safetensors (the format's own limit)
MAX_JSON_BYTES, MAX_SAFETENSORS_HEADER_BYTES = 64 << 20, 100_000_000
ZIP_MAGIC = b"PK\x03\x04"
#: formats of PyTorch and numpy that may be zip archives
ZIP_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".npz")


class _InvalidFile(Exception):
    """A file cannot be part of weights; the message is a clause about it."""


def check_files(folder: Path, names: list[str], warn: Warn) -> None:
    """Check that a model can be loaded from the files of a folder.

    Args:
        folder: folder of the weights.
        names: paths of all files below the folder.
        warn: called with a line for each thing that may be wrong.

    Raises:
        InvalidInput: a file is incomplete, damaged or missing.
    """
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
    for part in sorted((folder / ".cache").rglob("*.incomplete"))[:1]:
        warn(f"{format_path(part)}: an unfinished download, or one that was started again")
    _check_vocabulary(folder, present, warn)


def _check_file(path: Path, warn: Warn) -> None:
    suffix = path.suffix.lower()
    if PARTIAL_NAME.fullmatch(path.name):
        raise _InvalidFile(
            "its name is that of an unfinished download: finish it, or remove the file"
        )
    with path.open("rb") as stream:
        head, size = stream.read(file_types.HEAD_BYTES), os.fstat(stream.fileno()).st_size
    if file_types.is_lfs_pointer(head) and suffix in UNUSED_SUFFIXES:
        warn(f"{format_path(path)}: a Git LFS pointer, not the file")
        return
    is_page = file_types.is_web_page(head) and suffix not in UNUSED_SUFFIXES
    if file_types.is_lfs_pointer(head) or is_page:
        raise _InvalidFile(file_types.describe_content(head))
    if not size and suffix in MODEL_SUFFIXES:
        raise _InvalidFile("it is empty: fetch it again")
    is_checked = _check_format(path, head, size)
    if not is_checked and suffix in MODEL_SUFFIXES and _is_zero_filled(path, head):
        warn(f"{format_path(path)}: begins and ends with zeros, like an interrupted download")


def _check_format(path: Path, head: bytes, size: int) -> bool:
    """Check a file whose format is known; return whether it is."""
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        _check_safetensors(path, size)
    elif head.startswith(ZIP_MAGIC) and suffix in ZIP_SUFFIXES:
        _check_zip(path)
    elif suffix == ".gguf" and not head.startswith(b"GGUF"):
        raise _InvalidFile(f"not a GGUF file: {file_types.describe_content(head)}")
    elif path.name in CONFIG_NAMES:
        _load_json(path)
    else:
        return False
    return True


def _is_zero_filled(path: Path, head: bytes) -> bool:
    """Tell whether a file begins and ends with zeros, like a preallocated download."""
    with path.open("rb") as stream:
        stream.seek(-len(head), os.SEEK_END)
        return not any(head) and not any(stream.read())


def _check_shards(folder: Path, present: set[str]) -> None:
    """Check that numbered files (`-00001-of-00003`) are complete; there may be no index of them."""
    series: dict[tuple[str, ...], str] = {}
    for name in sorted(present):
        if shard := SHARD_NAME.fullmatch(name):
            series.setdefault(shard.group(1, 3, 4, 5), name)
    for (prefix, infix, count, suffix), example in series.items():
        for number in range(1, min(int(count), len(present) + 1) + 1):
            name = f"{prefix}{number:05}{infix}{count}{suffix}"
            if name not in present:
                raise InvalidInput(
                    f"{format_path(folder / name)}: missing, although {format_path(example)} is "
                    f"one of {int(count)} files: fetch it"
                )


def _check_safetensors(path: Path, size: int) -> None:
    with path.open("rb") as stream:
        begin = stream.read(8)
        length = struct.unpack("<Q", begin)[0] if len(begin) == 8 else 0
        if not 2 <= length <= MAX_SAFETENSORS_HEADER_BYTES or begin[:1] == b"{":
            content = file_types.describe_content(begin + stream.read(file_types.HEAD_BYTES))
            raise _InvalidFile(f"not a safetensors file: {content}")
        if 8 + length > size:
            raise _InvalidFile(f"it ends after {size} bytes, within its header: fetch it again")
        try:
            tensors = json.loads(stream.read(length))
            ends = [
                int(tensor["data_offsets"][1])
                for name, tensor in tensors.items()
                if name != "__metadata__"
            ]
            expected = 8 + length + max([0, *ends])
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
            OverflowError,
        ) as error:
            raise _InvalidFile("not a safetensors file: its header cannot be read") from error
    if size != expected:
        raise _InvalidFile(
            f"it has {size} bytes, but its header expects {expected}: fetch it again"
        )


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise _InvalidFile("it ends before its table of contents: fetch it again") from error


def _load_json(path: Path) -> Any:
    """Parse a JSON document; return None for one that is too large to be read."""
    if path.stat().st_size > MAX_JSON_BYTES:
        return None
    content = path.read_bytes()
    try:
        return json.loads(content.decode())  # transformers accepts no byte order mark either
    except (ValueError, RecursionError) as error:
        description = file_types.describe_content(content[: file_types.HEAD_BYTES])
        raise _InvalidFile(f"not valid JSON: {description}") from error


def _check_index(name: str, path: Path, present: set[str], warn: Warn) -> None:
    """Check that the shards in an index exist."""
    document = _load_json(path)
    shards = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(shards, dict) or not shards:
        if INDEX_NAME.fullmatch(name):
            raise _InvalidFile("it lists no files (weight_map): fetch it again")
        return
    folder = PurePosixPath(name).parent
    files = sorted({str(shard) for shard in shards.values()})
    for shard in files:
        if shard.startswith("/") or ".." in PurePosixPath(shard).parts:
            raise _InvalidFile(f"it lists a file outside of its folder: {format_path(shard)}")
    missing = [shard for shard in files if str(folder / shard) not in present]
    if not missing:
        return
    examples = f"{', '.join(map(format_path, missing[:3]))}{', …' * (len(missing) > 3)}"
    problem = f"{len(missing)} of its {len(files)} files are missing: {examples}"
    # the index of the other format often remains where only one format was downloaded
    is_optional = len(missing) == len(files) and ".safetensors" not in path.name
    if is_optional and _has_safetensors(present - {name}):
        warn(f"{format_path(path)}: {problem}; safetensors files exist instead")
        return
    raise _InvalidFile(problem)


def _has_safetensors(names: set[str]) -> bool:
    return any(
        PurePosixPath(name).name == "model.safetensors"
        or name.endswith(f".safetensors{INDEX_SUFFIX}")
        for name in names
    )


def _check_vocabulary(folder: Path, present: set[str], warn: Warn) -> None:
    """Warn about a tokenizer configuration without a vocabulary."""
    paths = [PurePosixPath(name) for name in present]
    for path in paths:
        if path.name == "tokenizer_config.json":
            siblings = [other.name for other in paths if other.parent == path.parent]
            if not any(map(VOCABULARY_NAME.fullmatch, siblings)):
                warn(
                    f"{format_path(folder / path)}: no vocabulary beside it (tokenizer.model, "
                    "tokenizer.json, vocab.txt, …)"
                )
