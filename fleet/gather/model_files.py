"""The files of a model at a hub, and which of them loading needs."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from fleet.store.weights import SHARD_NAME

#: what no program of a release reads: other frameworks' weights, pictures, documents
UNUSED_SUFFIXES = (
    *(".msgpack", ".h5", ".onnx", ".onnx_data", ".ot", ".tflite", ".mlmodel", ".mlpackage"),
    *(".gguf", ".ggml", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".pdf", ".mp4", ".webm"),
    *(".md", ".html", ".gitattributes", ".gitignore", ".lock", ".zip", ".tar", ".gz"),
)
#: the state of a training
TRAINING_NAMES = (
    *("optimizer.pt", "optimizer.bin", "scheduler.pt", "trainer_state.json", "training_args.bin"),
    *("rng_state*.pth", "scaler.pt", "events.out.tfevents.*"),
)
#: what keeps the weights of a model in PyTorch's own format beside safetensors
PICKLE_PATTERNS = ("pytorch_model*.bin", "pytorch_model*.bin.index.json", "consolidated*.pth")
SAFETENSORS_INDEX_SUFFIX = ".safetensors.index.json"


@dataclass(frozen=True)
class ModelFile:
    """A file of a model at a hub.

    Attributes:
        path: its path in the model.
        size: its bytes.
        sha256: its checksum; "" if the hub publishes none.
        git_blob: id as git computes it, for files that the hub keeps in git itself; "" otherwise.
    """

    path: str
    size: int
    sha256: str = ""
    git_blob: str = ""


def select_needed(files: Iterable[ModelFile], include: tuple[str, ...] = ()) -> list[ModelFile]:
    """Select the files that loading a model needs.

    Args:
        files: all files of the model.
        include: patterns that select files instead; empty decides by the names of files.

    Returns:
        The files. Of the same weights in two formats, safetensors are preferred if complete.
    """
    if include:
        return [f for f in files if any(fnmatch.fnmatchcase(f.path, p) for p in include)]
    useful = [file for file in files if not _is_unused(PurePosixPath(file.path))]
    folders: dict[str, set[str]] = {}
    for file in useful:
        path = PurePosixPath(file.path)
        folders.setdefault(str(path.parent), set()).add(path.name)
    safe = {folder for folder, names in folders.items() if _has_all_safetensors(names)}
    return [file for file in useful if not _is_duplicate(PurePosixPath(file.path), safe)]


def _is_unused(path: PurePosixPath) -> bool:
    if any(part.startswith(".") for part in path.parts) or path.name == "LICENSE":
        return True
    is_training = any(fnmatch.fnmatchcase(path.name, pattern) for pattern in TRAINING_NAMES)
    return is_training or path.name.lower().endswith(UNUSED_SUFFIXES)


def _has_all_safetensors(names: set[str]) -> bool:
    """Tell whether a folder has all weights as safetensors."""
    if "model.safetensors" in names:
        return True
    if not any(name.endswith(SAFETENSORS_INDEX_SUFFIX) for name in names):
        return False
    shards = [match for name in names if (match := SHARD_NAME.fullmatch(name))]
    safe = [match for match in shards if match[5] == ".safetensors"]
    return bool(safe) and all(
        f"{match[1]}{number:05}{match[3]}{match[4]}{match[5]}" in names
        for match in safe
        for number in range(1, min(int(match[4]), len(names) + 1) + 1)
    )


def _is_duplicate(path: PurePosixPath, safe_folders: set[str]) -> bool:
    """Tell whether a file has weights that safetensors files have as well."""
    if str(path.parent) in safe_folders:
        return any(fnmatch.fnmatchcase(path.name, pattern) for pattern in PICKLE_PATTERNS)
    return path.parts[0] == "original" and "." in safe_folders
