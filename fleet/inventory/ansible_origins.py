"""Find file and line of a value in an Ansible inventory, which Ansible does not report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fleet.documents import loading
from fleet.errors import InvalidInput
from fleet.language import _, join


def locate_words(
    path: Path, words: list[str], host: str = "*", groups: tuple[str, ...] = ()
) -> str:
    """Find the lines that contain one of some words and apply to a host.

    Args:
        path: the inventory.
        words: variables or names to search for.
        host: name of the host (default: any).
        groups: groups of the host (default: none).

    Returns:
        Up to three places as file and line; the inventory if there is none.
    """
    alternatives = "|".join(map(re.escape, words))
    whole_word = re.compile(rf"(?<![\w.-])({alternatives})(?![\w.-])")
    places = []
    for file in list_files(path, host, groups):
        try:
            lines = loading.read_text(file).splitlines()
        except InvalidInput:
            continue  # not text: a plugin, or an encrypted file
        places += [f"{file}:{n}" for n, line in enumerate(lines, 1) if whole_word.search(line)]
    return join(_("{word} or {next}", word="", next=""), places[:3]) or str(path)


def list_files(path: Path, host: str = "", groups: tuple[str, ...] = ()) -> Iterator[Path]:
    """List the files that may set variables of a host.

    Args:
        path: the inventory.
        host: name of the host (default: none).
        groups: groups of the host (default: none).

    Yields:
        The files of the inventory, then candidates in host_vars and group_vars beside it.
    """
    folder = path if path.is_dir() else path.parent
    yield from sorted(path.iterdir()) if path.is_dir() else [path]
    names = [("host_vars", host), *(("group_vars", group) for group in ("all", *groups))]
    for kind, name in names:
        for suffix in ("", ".yml", ".yaml", ".json"):
            variables = folder / kind / f"{name}{suffix}"
            yield from sorted(variables.rglob("*")) if variables.is_dir() else [variables]
