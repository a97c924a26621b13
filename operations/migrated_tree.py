"""Compares a migrated tree on a host with what the vendor's tool makes for a release."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field

from fleet.language import N_, _, join, n_
from fleet.proof.expected_tree import ExpectedTree, is_ignored
from fleet.proof.migration_rules import GENERATIONS
from fleet.release.lockfile import LockedFile

#: names of files that are listed of each kind
MAX_NAMES = 5


@dataclass
class HostTree:
    """A directory tree on a host.

    Attributes:
        signature: changes with every file in it; "" if there is none.
        owner: name of the user that it belongs to.
        files: path of each file -> its size.
        links: path of each symbolic link -> its target.
        sums: path -> SHA-256 of the files that were asked for and are there.
    """

    signature: str = ""
    owner: str = ""
    files: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_facts(cls, facts: Iterable[list[str]]) -> HostTree:
        """Read the facts of the script ``inspect-tree``.

        Args:
            facts: The fields of each.

        Raises:
            ValueError: One is of another kind or has other fields.
        """
        tree = cls()
        for kind, value, path in facts:
            if kind == "tree":
                tree.signature, tree.owner = value, path
            elif kind == "file":
                tree.files[path] = int(value)
            elif kind == "link":
                tree.links[path] = value
            elif kind == "sum":
                tree.sums[path] = value
            else:
                raise ValueError(f"a record of the kind {kind!r}")
        return tree


@dataclass(frozen=True)
class TreeComparison:
    """How a tree on a host relates to what the tool makes.

    Attributes:
        tree: The tree on the host.
        same: Number of files that are as the tool, or a patch of the release, leaves them.
        generation: The generation of the tool that made it; "" if all make the same of it.
        differing: Files with other content.
        missing: Files that are not there.
        extra: Files that the tool does not make. They are no difference.
        patched: Files that somebody has patched as the release does -> SHA-256.
        real_weights: Files of weights that are there themselves, where the release has links.
        missing_weights: Files of weights that are not there.
        unproved: Why the controller has nothing to compare it with; "" if it was compared.
        diff: First lines of the differences.
    """

    tree: HostTree
    same: int = 0
    generation: str = ""
    differing: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    patched: dict[str, str] = field(default_factory=dict)
    real_weights: tuple[str, ...] = ()
    missing_weights: tuple[str, ...] = ()
    unproved: str = ""
    diff: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether it was proved to be what the tool makes, but for links to weights."""
        return bool(self.same) and not (self.unproved or self.differing or self.missing)

    @property
    def evidence(self) -> str:
        """By what it was recognized."""
        words = [_("{count} equal by sha256", count=_count(self.same))]
        if self.generation:
            words.append(_("as the tool of {generation} makes them", generation=self.generation))
        if self.patched:
            words.append(_("{count} of them patched", count=len(self.patched)))
        if self.real_weights:
            words.append(_("{count} of weights in it", count=_count(len(self.real_weights))))
        return join(", ", words)

    @property
    def differences(self) -> list[str]:
        """How it differs, a line each; files that it has beside the tool's are named, too."""
        if self.unproved:
            return [_("not compared: {unproved}", unproved=self.unproved)]
        lines = []
        for words, more, names in (
            (N_("{name} differs"), N_("and {count:,} more: differs"), self.differing),
            (N_("{name} is missing"), N_("and {count:,} more: is missing"), self.missing),
            (
                N_("{name} is an additional file"),
                N_("and {count:,} more: is an additional file"),
                self.extra,
            ),
        ):
            lines += [_(words, name=name) for name in names[:MAX_NAMES]]
            if len(names) > MAX_NAMES:
                lines.append(_(more, count=len(names) - MAX_NAMES))
        return [*lines, *self.diff]


def _count(files: int) -> str:
    return n_("{count:,} file", "{count:,} files", files)


def compare(expected: ExpectedTree, tree: HostTree, weights: dict[str, str]) -> TreeComparison:
    """Compare a tree with what the tool makes.

    Args:
        expected: The files that the tool makes.
        tree: The tree on the host.
        weights: Path of each file of weights -> the file on the host that the release links to.

    Returns:
        The comparison, by the generation of the tool that fits best.
    """
    files = expected.files
    known = sorted(path for path in files if path in tree.sums)
    wrong = {
        generation: tuple(
            path for path in known if not files[path].accepts(tree.sums[path], generation)
        )
        for generation in GENERATIONS
    }
    best = min(GENERATIONS, key=lambda generation: len(wrong[generation]))
    links, real, differing, missing = _compare_weights(expected.weights, tree, weights)
    needed = {path for path, file in files.items() if file.made and not file.is_replaced}
    ignored = {*files, *expected.weights, *links}
    there = sorted({*tree.files, *tree.links} - ignored)
    return TreeComparison(
        tree,
        same=sum(files[path].matches(tree.sums[path], best) for path in known),
        generation=best if any(files[path].depends_on_generation for path in known) else "",
        differing=(*wrong[best], *differing),
        missing=tuple(sorted(needed.difference(known))),
        extra=tuple(path for path in there if not is_ignored(path)),
        patched={p: tree.sums[p] for p in known if files[p].is_patched(tree.sums[p])},
        real_weights=real,
        missing_weights=missing,
    )


def _compare_weights(
    wanted: dict[str, LockedFile], tree: HostTree, targets: dict[str, str]
) -> tuple[set[str], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Compare the weights in a tree: links that lead to them, real files, other ones, none."""
    links, real, differing, missing = set[str](), [], [], []
    for path, locked in wanted.items():
        if link := _find_link(path, tree, targets[path]):
            links.add(link)
        elif tree.sums.get(path) == locked.sha256:
            real.append(path)
        elif path in tree.files or path in tree.links:
            differing.append(path)
        else:
            missing.append(path)
    return links, tuple(real), tuple(differing), tuple(missing)


def _find_link(path: str, tree: HostTree, target: str) -> str:
    """Return the link by which a path, or a folder that it is in, leads to a target; "" if none."""
    while path:
        if tree.links.get(path) == target:
            return path
        path, target = posixpath.dirname(path), posixpath.dirname(target)
    return ""
