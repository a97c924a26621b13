"""Where an Ansible inventory says something: its own listing does not tell files and lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fleet.documents import loading
from fleet.errors import InvalidInput


def locate_words(
    path: Path, words: list[str], host: str = "*", groups: tuple[str, ...] = ()
) -> str:
    """The lines that have one of some words and count for a host; else the inventory."""
    some = "|".join(map(re.escape, words))
    whole = re.compile(rf"(?<![\w.-])({some})(?![\w.-])")
    found = []
    for file in list_files(path, host, groups):
        try:
            lines = loading.read_text(file).splitlines()
        except InvalidInput:
            continue  # not a file of text: a plugin's, or a vault's
        found += [f"{file}:{n}" for n, line in enumerate(lines, 1) if whole.search(line)]
    return " or ".join(found[:3]) or str(path)


def list_files(path: Path, host: str = "", groups: tuple[str, ...] = ()) -> Iterator[Path]:
    """The inventory's files, and the variables beside it of a host and its groups."""
    folder = path if path.is_dir() else path.parent
    yield from sorted(path.iterdir()) if path.is_dir() else [path]
    names = [("host_vars", host), *(("group_vars", group) for group in ("all", *groups))]
    for kind, name in names:
        for ending in ("", ".yml", ".yaml", ".json"):
            said = folder / kind / f"{name}{ending}"
            yield from sorted(said.rglob("*")) if said.is_dir() else [said]
