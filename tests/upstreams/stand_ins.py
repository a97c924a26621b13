"""Compares a tree that stands in for a repository with the facts of the repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.upstreams import Upstream
from tests.upstreams.scripts import COMPUTED, ScriptFacts


def list_problems(tree: Path, upstream: Upstream) -> Iterator[str]:
    """Yield what a stand-in has that its upstream lacks, or the other way round.

    A stand-in may lack files. What it has must be where upstream has it, and look the same from
    outside.

    Args:
        tree: folder of the stand-in.
        upstream: facts of the repository.
    """
    files = {file.relative_to(tree).as_posix(): file for file in sorted(tree.rglob("*"))}
    for name, file in files.items():
        if (file.is_dir() and not file.is_symlink()) or "__pycache__" in file.parts:
            continue
        if upstream.is_fork:
            # a folder is all that tutorials name of a project in it
            known = {
                path.partition("/")[0] for path in upstream.files if path.endswith("/setup.py")
            }
            if name not in upstream.files and name.partition("/")[0] not in known:
                yield f"{name}: no tutorial names it"
        elif name not in upstream.files:
            yield f"{name}: upstream has no such file"
        else:
            yield from _compare_file(name, file, upstream)


def _compare_file(name: str, file: Path, upstream: Upstream) -> Iterator[str]:
    mode = upstream.files[name].mode
    if file.is_symlink() != (mode == "120000"):
        yield f"{name}: upstream's mode is {mode}"
        return
    if file.is_symlink():
        return
    if bool(file.stat().st_mode & 0o100) != (mode == "100755"):
        yield f"{name}: upstream's mode is {mode}"
    text = file.read_text(encoding="utf-8", errors="replace")
    for anchor in upstream.anchors:
        if anchor.file == name and text.count(anchor.text) != anchor.count:
            count = text.count(anchor.text)
            yield f"{name}: {anchor.text!r} occurs {count} times, upstream has {anchor.count}"
    if name.endswith((".py", ".yml", "requirements.txt")):
        yield from _compare_script(name, ScriptFacts.read(name, text), upstream)


def _compare_script(name: str, facts: ScriptFacts, upstream: Upstream) -> Iterator[str]:
    known = upstream.scripts.get(name)
    if known is None:
        if facts.options or facts.asks or facts.loads or facts.requires or name.endswith(".yml"):
            yield f"{name}: no facts of upstream's: add --script"
        return
    for kind in ("options", "asks", "loads", "requires"):
        if (here := getattr(facts, kind)) != (there := getattr(known, kind)):
            yield f"{name} {kind} {here}, upstream's {there}"
    for text in facts.prints:
        if text not in known.prints:
            yield f"{name} prints {text!r}, which upstream's does not"
    for key in facts.keys:
        if key not in known.keys:
            yield f"{name} reads the key {key!r}, which upstream's does not"
    if COMPUTED in known.prints and COMPUTED not in facts.prints:
        yield f"{name} prints no value, upstream's does"
