"""What the patches of a release make of the container's files, one after the other."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fleet.language import _, join
from fleet.proof.container_files import ContainerFiles, Presence
from fleet.proof.file_content import (
    ContainerFile,
    UnreadableContent,
    Versions,
    create_readable_file,
    create_unreadable_file,
    merge_equal,
)
from fleet.release import host_paths
from fleet.release.model import Patch, Release
from fleet.release.patch_text import apply_patch, find_anchor
from fleet.store.source_tree import SourceTree
from fleet.text.word_lists import join_words

#: Lines of an anchor that are listed.
MAX_LISTED_LINES = 10
#: Similarity from 0 to 1 of a line that is shown in place of an anchor that does not occur.
MIN_LINE_SIMILARITY = 0.6
MAX_SHOWN_CHARACTERS = 100


@dataclass(frozen=True)
class Outcome:
    """What became of one patch.

    Attributes:
        problem: what is wrong, or why nothing could be proved; "" if the patch applies.
        field: name of the field that this is about; "" for the patch as a whole.
        is_wrong: whether the patch is wrong, not only unproved.
    """

    problem: str = ""
    field: str = ""
    is_wrong: bool = False


class _PatchProblem(Exception):
    """A patch is wrong; the arguments are the field and the problem."""


class _ReportedElsewhere(Exception):
    """The file that a patch takes from a source is reported by another check."""


@dataclass(frozen=True)
class PatchedFiles:
    """The files of the container after all patches.

    Attributes:
        files: the files.
        outcomes: the outcome of each patch.
    """

    files: ContainerFiles
    outcomes: list[Outcome]


def apply_patches(
    files: ContainerFiles, release: Release, store: Path, trees: Mapping[str, SourceTree | None]
) -> PatchedFiles:
    """Apply the patches of a release to the files of its container.

    Args:
        files: The files; they become what the patches make of them.
        release: The release.
        store: Folder of the store.
        trees: The files of each source by its name.

    Returns:
        The files and the outcome of each patch.
    """
    outcomes = []
    for patch in release.patches:
        try:
            patched, outcome = _Application(files, store, trees, patch).apply()
        except _PatchProblem as error:
            field, problem = error.args
            patched = create_unreadable_file(_("a patch"), _("a patch of it is wrong"))
            outcome = Outcome(problem, field, is_wrong=True)
        except _ReportedElsewhere:
            patched = create_unreadable_file(
                _("a patch"), _("it is taken from a source without it")
            )
            outcome = Outcome()
        except UnreadableContent as error:
            patched = create_unreadable_file(
                _("a patch"), _("it was patched, and its text is not known")
            )
            outcome = Outcome(_("{file} cannot be compared: {error}", file=patch.file, error=error))
        outcomes.append(outcome)
        files.add(patch.file, patched)
    return PatchedFiles(files, outcomes)


@dataclass(frozen=True)
class _Application:
    files: ContainerFiles
    store: Path
    trees: Mapping[str, SourceTree | None]
    patch: Patch

    def apply(self) -> tuple[ContainerFile, Outcome]:
        patch, found = self.patch, self.files.look_up(self.patch.file)
        if found.presence is Presence.FOLDER:
            raise _PatchProblem("file", _("{file} is a folder", file=patch.file))
        if patch.replaces_file:
            versions = {"": self._read_replacement()}
            if found.presence is Presence.MISSING:
                self._check_folder(found.reason)
        elif found.presence is Presence.MISSING:
            raise _PatchProblem(
                "file", _("{file} is missing: {reason}", file=patch.file, reason=found.reason)
            )
        elif found.file is None:
            raise UnreadableContent(found.reason)
        else:
            versions = self._apply_edit(found.file)
        outcome = self._compare_checksum(versions)
        file = ContainerFile(_("a patch"), lambda: versions)
        in_tree = host_paths.is_in_tree(self.files.release, patch.file)
        if found.presence is Presence.UNKNOWN and not in_tree and not outcome.problem:
            outcome = Outcome(
                _("{file} may not be there: {reason}", file=patch.file, reason=found.reason)
            )
        return file, outcome

    def _read_replacement(self) -> bytes:
        patch = self.patch
        if patch.content is not None:
            return patch.content.encode()
        if patch.store is not None:
            return (self.store / patch.store).read_bytes()
        assert patch.source is not None and patch.path is not None
        tree = self.trees[patch.source]
        if tree is None or patch.path not in tree.entries:
            raise _ReportedElsewhere
        return create_readable_file(_("a source"), partial(tree.read, patch.path)).versions[""]

    def _check_folder(self, reason: str) -> None:
        """Check that the folder of a new file exists or will be created."""
        if host_paths.is_in_tree(self.files.release, self.patch.file):
            return
        folder = posixpath.dirname(self.patch.file)
        if self.files.look_up(folder).presence is Presence.MISSING:
            raise _PatchProblem(
                "file",
                _("the folder of {file} is missing: {reason}", file=self.patch.file, reason=reason),
            )

    def _apply_edit(self, file: ContainerFile) -> Versions:
        """Apply a substitution or an insertion to the text by every generation of the tool."""
        patched: Versions = {}
        problems: dict[str, str] = {}
        for generation, text in file.decode().items():
            try:
                patched[generation] = apply_patch(text, self.patch).encode()
            except ValueError:
                problems[generation] = self._describe_count(text)
        if not problems:
            return merge_equal(patched)
        words = join("; ", itertools.starmap(_name_generation, problems.items()))
        if patched:
            raise UnreadableContent(
                _(
                    "its content depends on the generation of the migration tool: {words}",
                    words=words,
                )
            )
        raise _PatchProblem(
            "count",
            _(
                "{words}; {file} comes from {origin}",
                words=words,
                file=self.patch.file,
                origin=file.origin,
            ),
        )

    def _describe_count(self, text: str) -> str:
        anchor = find_anchor(self.patch)
        count, shown = text.count(anchor), _shorten(repr(anchor))
        if count:
            lines = _list_lines(text, anchor)
            return _(
                "{anchor} occurs {count} times (lines {lines}), not {expected}",
                anchor=shown,
                count=count,
                lines=lines,
                expected=self.patch.count,
            )
        return _(
            "{anchor} does not occur there{nearest}",
            anchor=shown,
            nearest=_describe_nearest_line(text, anchor),
        )

    def _compare_checksum(self, versions: Versions) -> Outcome:
        expected = self.patch.sha256
        if expected is None:
            return Outcome()
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in versions.items()}
        if expected not in sums.values():
            found = _join_or(dict.fromkeys(sums.values()))
            raise _PatchProblem(
                "sha256", _("the patched file will have the SHA-256 {sha256}", sha256=found)
            )
        others = [name for name, checksum in sums.items() if checksum != expected]
        if not others:
            return Outcome()
        return Outcome(
            _(
                "the result differs if the migration tool is {generations}",
                generations=_join_or(others),
            ),
            "sha256",
        )


def _name_generation(generation: str, problem: str) -> str:
    if not generation:
        return problem
    return _("{problem} as {generation} leaves it", problem=problem, generation=generation)


def _join_or(words: Iterable[str]) -> str:
    return join(_(" or "), words)


def _list_lines(text: str, anchor: str) -> str:
    numbers: list[str] = []
    start = text.find(anchor)
    while start >= 0 and len(numbers) <= MAX_LISTED_LINES:
        numbers.append(str(text.count("\n", 0, start) + 1))
        start = text.find(anchor, start + len(anchor))
    more = ["…"] if len(numbers) > MAX_LISTED_LINES else []
    return join_words([*numbers[:MAX_LISTED_LINES], *more])


def _describe_nearest_line(text: str, anchor: str) -> str:
    wanted = next((line.strip() for line in anchor.splitlines() if line.strip()), "")
    lines = {line.strip(): number for number, line in enumerate(text.splitlines(), 1)}
    near = difflib.get_close_matches(wanted, lines, 1, MIN_LINE_SIMILARITY)
    containing = [line for line in lines if wanted and wanted in line]
    for line in (containing or near)[:1]:
        return _("; nearest is line {line}: {text}", line=lines[line], text=_shorten(line))
    return ""


def _shorten(text: str) -> str:
    limit = MAX_SHOWN_CHARACTERS
    return text if len(text) <= limit else f"{text[:limit]}…"
