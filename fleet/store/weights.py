"""Check that a model can be loaded from weights, as far as that is visible without loading them.

Each file by itself is checked by `fleet.store.weight_files`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from fleet.language import _, text_of
from fleet.store.paths import Warn, format_path
from fleet.store.weight_files import InvalidFile, ParameterSize, check_file, load_json

VOCABULARY_NAME = re.compile(r"tokenizer\.json|vocab\.(json|txt)|.*\.(model|tiktoken)|merges\.txt")
INDEX_SUFFIX = ".index.json"
#: names of index files that must have a weight_map
INDEX_NAME = re.compile(r".*\.(safetensors|bin|h5|msgpack)\.index\.json")
#: bound of a total that an index states; what is larger is no size
MAX_TOTAL_BYTES = 1 << 60
SHARD_NAME = re.compile(r"(.*-)(\d{5})(-of-)(\d{5})(\.\w+)")


@dataclass
class Inspection:
    """What the files of a folder of weights are.

    Attributes:
        problems: a line for each file that is incomplete, damaged or missing: "path: problem".
        parameters: memory that the parameters of each file take, by its path below the folder.
        shards: files that each index lists, by the path of the index.
        totals: bytes of all parameters, as each index states them.
    """

    problems: list[str] = field(default_factory=list)
    parameters: dict[str, ParameterSize] = field(default_factory=dict)
    shards: dict[str, tuple[str, ...]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)

    def add_problem(self, path: Path, problem: str) -> None:
        """Record what is wrong about a file.

        Args:
            path: the file.
            problem: a clause.
        """
        self.problems.append(f"{format_path(path)}: {problem}")


def inspect_files(folder: Path, names: list[str], warn: Warn) -> Inspection:
    """Check that a model can be loaded from the files of a folder.

    Args:
        folder: folder of the weights.
        names: paths of all files below the folder.
        warn: called with a line for each thing that may be wrong.

    Returns:
        What is wrong, and how much memory the parameters take.
    """
    present, found = set(names), Inspection()
    for name in names:
        path = folder / name
        try:
            found.parameters[name] = check_file(path, warn)
            if name.endswith(INDEX_SUFFIX):
                document = load_json(path)
                found.shards[name] = _check_index(name, path, document, present, warn)
                found.totals[name] = _read_total(document)
        except InvalidFile as error:
            found.add_problem(path, text_of(error))
        except OSError as error:
            found.add_problem(path, _("cannot be read: {reason}", reason=error.strerror))
    _check_shards(folder, present, found)
    for part in sorted((folder / ".cache").rglob("*.incomplete"))[:1]:
        warn(
            _(
                "{path}: an unfinished download, or one that was started again",
                path=format_path(part),
            )
        )
    _check_vocabulary(folder, present, warn)
    return found


def _check_shards(folder: Path, present: set[str], found: Inspection) -> None:
    """Check that numbered files (`-00001-of-00003`) are complete; there may be no index of them."""
    series: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(present):
        if shard := SHARD_NAME.fullmatch(name):
            series.setdefault(shard.group(1, 3, 4, 5), []).append(name)
    for (prefix, infix, count, suffix), names in series.items():
        if len(names) >= int(count):
            continue
        candidates = (f"{prefix}{n:05}{infix}{count}{suffix}" for n in range(1, int(count) + 1))
        first = next((name for name in candidates if name not in present), "")
        found.add_problem(
            folder / first,
            _(
                "missing, although {name} is one of {total} files, of which {count} are there: "
                "fetch them",
                name=format_path(names[0]),
                total=int(count),
                count=len(names),
            ),
        )


def _read_total(document: Any) -> int:
    """Return metadata.total_size of an index; 0 if it has none."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    return int(total) if isinstance(total, (int, float)) and 0 < total < MAX_TOTAL_BYTES else 0


def _check_index(
    name: str, path: Path, document: Any, present: set[str], warn: Warn
) -> tuple[str, ...]:
    """Check that the shards in an index exist; return those that do."""
    shards = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(shards, dict) or not shards:
        if INDEX_NAME.fullmatch(name):
            raise InvalidFile(_("it lists no files (weight_map): fetch it again"))
        return ()
    folder = PurePosixPath(name).parent
    files = sorted({str(shard) for shard in shards.values()})
    for shard in files:
        if shard.startswith("/") or ".." in PurePosixPath(shard).parts:
            raise InvalidFile(
                _("it lists a file outside of its folder: {path}", path=format_path(shard))
            )
    missing = [shard for shard in files if str(folder / shard) not in present]
    if not missing:
        return tuple(str(folder / shard) for shard in files)
    examples = f"{', '.join(map(format_path, missing[:3]))}{', …' * (len(missing) > 3)}"
    problem = _(
        "{count} of its {total} files are missing: {examples}",
        count=len(missing),
        total=len(files),
        examples=examples,
    )
    # the index of the other format often remains where only one format was downloaded
    is_optional = len(missing) == len(files) and ".safetensors" not in path.name
    if is_optional and _has_safetensors(present - {name}):
        warn(
            _(
                "{path}: {problem}; safetensors files exist instead",
                path=format_path(path),
                problem=problem,
            )
        )
        return ()
    raise InvalidFile(problem)


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
                    _(
                        "{path}: no vocabulary beside it (tokenizer.model, tokenizer.json, "
                        "vocab.txt, …)",
                        path=format_path(folder / path),
                    )
                )
