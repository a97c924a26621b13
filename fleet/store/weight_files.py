"""Check one file of weights, and tell how much memory its parameters take.

Only the beginning and end of the file are read here; the whole file is read when it is measured.
"""

from __future__ import annotations

import json
import math
import os
import pickletools
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.language import _
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
#: bound of a JSON document that is read, and of the header of safetensors (the format's own limit)
MAX_JSON_BYTES, MAX_SAFETENSORS_HEADER_BYTES = 64 << 20, 100_000_000
ZIP_MAGIC = b"PK\x03\x04"
#: formats of PyTorch and numpy that may be zip archives
ZIP_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".npz")
#: suffixes of files whose size is an upper bound of their parameters
PARAMETER_SUFFIXES = (*ZIP_SUFFIXES, ".gguf", ".ggml", ".onnx", ".npy", ".h5", ".msgpack")
#: files of a training that is to go on; no model is loaded from them
TRAINING_NAME = re.compile(r"(optimizer|scheduler|scaler|training_args|rng_state.*)\.\w+")
#: a storage in an archive of PyTorch
STORAGE_NAME = re.compile(r"[^/]+/data/(\d+)")


#: dtypes of safetensors that hold floating-point numbers of more than two bytes
WIDE_FLOATS = ("F32", "F64")
#: PyTorch's storages of wide floating-point numbers -> bytes of one
WIDE_STORAGES = {"torch FloatStorage": 4, "torch DoubleStorage": 8}
#: bytes of a number in half precision (float16, bfloat16)
HALF_BYTES = 2
#: bound of the pickle in an archive of PyTorch, which describes the storages without their content
MAX_PICKLE_BYTES = 16 << 20
#: operations of a pickle that name or repeat a class, a text or a number
PICKLE_VALUES = re.compile(r"GLOBAL|(SHORT_)?BINUNICODE8?|UNICODE|(BIN)?INT[12]?|LONG[14]?")


@dataclass(frozen=True)
class ParameterSize:
    """How much memory parameters take.

    Attributes:
        stored: bytes as they are stored; an upper bound where the format does not tell.
        half: bytes if every wider floating-point number is loaded in half precision; 0 where the
            format does not tell.
    """

    stored: int = 0
    half: int = 0

    def __add__(self, other: ParameterSize) -> ParameterSize:
        return ParameterSize(self.stored + other.stored, self.half + other.half)


class InvalidFile(Exception):
    """A file cannot be part of weights; the message is a clause about it."""


def check_file(path: Path, warn: Warn) -> ParameterSize:
    """Check that a file of weights is complete and what its name says.

    Args:
        path: the file.
        warn: called with a line for each thing that may be wrong.

    Returns:
        How much memory its parameters take; 0 for a file without parameters.

    Raises:
        InvalidFile: it is incomplete, damaged or another file.
        OSError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if PARTIAL_NAME.fullmatch(path.name):
        raise InvalidFile(
            _("its name is that of an unfinished download: finish it, or remove the file")
        )
    with path.open("rb") as stream:
        head, size = stream.read(file_types.HEAD_BYTES), os.fstat(stream.fileno()).st_size
    if file_types.is_lfs_pointer(head) and suffix in UNUSED_SUFFIXES:
        warn(_("{path}: a Git LFS pointer, not the file", path=format_path(path)))
        return ParameterSize()
    is_page = file_types.is_web_page(head) and suffix not in UNUSED_SUFFIXES
    if file_types.is_lfs_pointer(head) or is_page:
        raise InvalidFile(file_types.describe_content(head))
    if not size and suffix in MODEL_SUFFIXES:
        raise InvalidFile(_("it is empty: fetch it again"))
    parameters = _check_format(path, head, size)
    if parameters is None and suffix in MODEL_SUFFIXES and _is_zero_filled(path, head):
        warn(
            _(
                "{path}: begins and ends with zeros, like an interrupted download",
                path=format_path(path),
            )
        )
    if TRAINING_NAME.fullmatch(path.name):
        return ParameterSize()
    upper_bound = ParameterSize(size) if suffix in PARAMETER_SUFFIXES else ParameterSize()
    return upper_bound if parameters is None else parameters


def _check_format(path: Path, head: bytes, size: int) -> ParameterSize | None:
    """Check a file whose format is known; return the size of its parameters, or None."""
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _check_safetensors(path, size)
    if head.startswith(ZIP_MAGIC) and suffix in ZIP_SUFFIXES:
        return _check_zip(path)
    if suffix == ".gguf" and not head.startswith(b"GGUF"):
        raise InvalidFile(
            _("not a GGUF file: {content}", content=file_types.describe_content(head))
        )
    if path.name in CONFIG_NAMES:
        load_json(path)
        return ParameterSize()
    return None


def _is_zero_filled(path: Path, head: bytes) -> bool:
    """Tell whether a file begins and ends with zeros, like a preallocated download."""
    with path.open("rb") as stream:
        stream.seek(-len(head), os.SEEK_END)
        return not any(head) and not any(stream.read())


def _check_safetensors(path: Path, size: int) -> ParameterSize:
    with path.open("rb") as stream:
        begin = stream.read(8)
        length = struct.unpack("<Q", begin)[0] if len(begin) == 8 else 0
        if not 2 <= length <= MAX_SAFETENSORS_HEADER_BYTES or begin[:1] == b"{":
            content = file_types.describe_content(begin + stream.read(file_types.HEAD_BYTES))
            raise InvalidFile(_("not a safetensors file: {content}", content=content))
        if 8 + length > size:
            raise InvalidFile(
                _("it ends after {size} bytes, within its header: fetch it again", size=size)
            )
        try:
            tensors = json.loads(stream.read(length))
            tensors.pop("__metadata__", None)
            ends = [int(tensor["data_offsets"][1]) for tensor in tensors.values()]
            expected = 8 + length + max([0, *ends])
            parameters = sum(map(_measure_tensor, tensors.values()), ParameterSize())
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
            OverflowError,
        ) as error:
            raise InvalidFile(_("not a safetensors file: its header cannot be read")) from error
    if size != expected:
        raise InvalidFile(
            _(
                "it has {size} bytes, but its header expects {expected}: fetch it again",
                size=size,
                expected=expected,
            )
        )
    return parameters


def _measure_tensor(tensor: dict[str, Any]) -> ParameterSize:
    """Return the size of a tensor in a header of safetensors."""
    begin, end = map(int, tensor["data_offsets"])
    stored = max(0, end - begin)
    if tensor.get("dtype") not in WIDE_FLOATS:
        return ParameterSize(stored, stored)
    count = math.prod(map(int, tensor["shape"]))
    return ParameterSize(stored, min(stored, max(0, count) * HALF_BYTES))


def _check_zip(path: Path) -> ParameterSize:
    """Check an archive of PyTorch or numpy; each storage of PyTorch is a member data/NUMBER."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            sizes = {
                found[1]: member.file_size
                for member in members
                if (found := STORAGE_NAME.fullmatch(member.filename))
            }
            pickles = [m for m in members if m.filename.endswith("/data.pkl")]
            is_small = len(pickles) == 1 and pickles[0].file_size <= MAX_PICKLE_BYTES
            text = archive.read(pickles[0]) if sizes and is_small else b""
    except (
        zipfile.BadZipFile,
        ValueError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        struct.error,
        zlib.error,
    ) as error:
        raise InvalidFile(_("it ends before its table of contents: fetch it again")) from error
    if not sizes:
        return ParameterSize(path.stat().st_size)
    types = _read_storage_types(text)
    half = sum(
        size * HALF_BYTES // WIDE_STORAGES.get(types[number], HALF_BYTES)
        for number, size in sizes.items()
        if number in types
    )
    return ParameterSize(sum(sizes.values()), half)


def _read_storage_types(text: bytes) -> dict[str, str]:
    """Return the type of each storage by its number, from a pickle that is not executed.

    PyTorch refers to a storage by a tuple of "storage", its type, number, device and length.
    """
    types: dict[str, str] = {}
    memo: dict[object, object] = {}
    values: list[object] = [None] * 4
    try:
        for operation, argument, _position in pickletools.genops(text):
            name = operation.name
            if PICKLE_VALUES.fullmatch(name):
                values = [*values[1:], argument]
            elif name in ("BINGET", "LONG_BINGET"):
                values = [*values[1:], memo.get(argument)]
            elif name in ("BINPUT", "LONG_BINPUT"):
                memo[argument] = values[-1]
            elif name == "MEMOIZE":
                memo[len(memo)] = values[-1]
            elif name == "BINPERSID":
                types[str(values[1])] = str(values[0])
    except (ValueError, OverflowError, IndexError, UnicodeError):
        return {}
    return types


def load_json(path: Path) -> Any:
    """Parse a JSON document.

    Args:
        path: the file.

    Returns:
        Its content; None for one that is too large to be read.

    Raises:
        InvalidFile: it is no JSON.
    """
    if path.stat().st_size > MAX_JSON_BYTES:
        return None
    content = path.read_bytes()
    try:
        return json.loads(content.decode())  # transformers accepts no byte order mark either
    except (ValueError, RecursionError) as error:
        description = file_types.describe_content(content[: file_types.HEAD_BYTES])
        raise InvalidFile(_("not valid JSON: {description}", description=description)) from error
