"""Files that patches take from sources: they are there, and the lock gets their checksums."""

from __future__ import annotations

import hashlib

from fleet.language import _
from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults
from fleet.store.file_types import is_lfs_pointer
from fleet.store.source_tree import SourceTree
from fleet.text import suggestions


def check_source_files(inputs: ProofInputs, results: ProofResults) -> None:
    """Find each file that a patch takes from a source at its locked commit.

    Args:
        inputs: The release and its sources.
        results: Gets the checksums, and a finding for each path that is no regular file.
    """
    for number, patch in enumerate(inputs.release.patches):
        if patch.source is None or patch.path is None:
            continue
        location = ("patches", number, "path")
        tree = inputs.trees[patch.source]
        if tree is None:
            results.add_unproved(
                location,
                _(
                    "source {source} has no bundle in which to find {path}",
                    source=patch.source,
                    path=patch.path,
                ),
            )
        elif problem := _find_problem(tree, patch.path):
            results.add_finding(
                location,
                _(
                    "source {source} at {commit}: {problem}",
                    source=patch.source,
                    commit=tree.commit[:12],
                    problem=problem,
                ),
            )
        else:
            content = tree.read(patch.path)
            sha256 = hashlib.sha256(content).hexdigest()
            results.source_files[f"{patch.source}:{patch.path}"] = sha256


def _find_problem(tree: SourceTree, path: str) -> str:
    """Describe why a path is not a file that can be copied; "" if it is one."""
    entry = tree.entries.get(path)
    if entry is None:
        if any(name.startswith(f"{path.rstrip('/')}/") for name in tree.entries):
            return _("{path} is a folder", path=path)
        return _(
            "no file {path}{nearest}",
            path=path,
            nearest=suggestions.format_suggestions(path, tree.entries),
        )
    if entry.mode == "160000":
        return _("{path} is a submodule", path=path)
    content = tree.read(path)
    if entry.is_link:
        target = content.decode(errors="replace")
        return _("{path} is a symbolic link to {target}: give that file", path=path, target=target)
    if is_lfs_pointer(content):
        return _("{path} is a Git LFS pointer, not the file", path=path)
    return ""
