"""Asks a host for a migrated tree, and compares it with what the vendor's tool makes."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure, InvalidInput
from fleet.language import _
from fleet.proof.expected_tree import ExpectedTree, expect_tree, open_sources
from fleet.proof.file_content import ANY_GENERATION, UnreadableContent
from fleet.release import host_paths
from fleet.release.model import Source
from fleet.release.target import ReleaseTarget
from fleet.text import redact, sanitize
from operations.host import connection
from operations.host.command import HostCommand
from operations.host.context import RunContext, run_context
from operations.host.file_edit import decode_content
from operations.host.inspection import InspectionFailed, ask_host
from operations.host.scripts import script_command
from operations.host.threads import run_in_thread
from operations.migrated_tree import HostTree, TreeComparison, compare

#: seconds that a host may take to read a tree, with 14 GB of weights in it at idle priority
INSPECTION_TIMEOUT_S = 3600
#: files whose differences are shown, their bytes, lines of each, and characters of a line
MAX_DIFFS, MAX_DIFF_BYTES, MAX_DIFF_LINES, MAX_LINE_CHARS = 3, 256 << 10, 6, 120


class ExpectedTrees:
    """The migrated trees of a run's releases, computed once for all hosts."""

    def __init__(self, context: RunContext) -> None:
        """Begin without trees.

        Args:
            context: Of the run.
        """
        self._slot = BoundedSemaphore(1)
        self._known: dict[tuple[str, str], ExpectedTree | str] = {}
        self._scratch = TemporaryDirectory(prefix="mlufleet-trees-")

    def load(self, target: ReleaseTarget, source: Source) -> ExpectedTree | str:
        """Return what a migrated tree contains, or why that cannot be known.

        Other hosts go on while it is computed. A reason that may pass, such as a full disk of the
        controller, holds for this host only.

        Args:
            target: The release.
            source: One of its sources that is migrated.
        """
        key = (f"{target.store.absolute()}:{target.identity}", source.name)
        with self._slot:
            if key not in self._known:
                try:
                    self._known[key] = self._compute(target, source)
                except UnreadableContent as error:  # the release itself does not say it
                    self._known[key] = str(error)
                except (InvalidInput, OSError) as error:
                    return str(error)
            return self._known[key]

    def _compute(self, target: ReleaseTarget, source: Source) -> ExpectedTree:
        folder = mkdtemp(dir=self._scratch.name)
        try:
            # git runs here, as gevent starts no process in a thread
            trees = open_sources(target, source, Path(folder))
            expected = run_in_thread(expect_tree, target, source, trees)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return expected


def inspect_tree(host: Host, target: ReleaseTarget, source: Source) -> TreeComparison:
    """Compare a migrated tree on a host with what the tool makes. Nothing is changed there.

    Args:
        host: A connected host that has the tree.
        target: The release.
        source: The source that the tree was made from.

    Returns:
        The comparison; if the controller has nothing to compare with, the reason.

    Raises:
        InspectionFailed: The host did not say what the tree is.
    """
    expected = run_context(host).service(ExpectedTrees).load(target, source)
    if isinstance(expected, str):
        return TreeComparison(HostTree(), unproved=expected)
    path = host_paths.to_host_path(target.release, host_paths.migrated_path(source))
    targets = _list_weights_targets(target, source)
    wanted = [f"-\t-\t{name}" for name in expected.files]
    wanted += [f"{file.size}\t{targets[name]}\t{name}" for name, file in expected.weights.items()]
    facts = ask_host(
        host,
        "inspect-tree",
        path,
        timeout=INSPECTION_TIMEOUT_S,
        target=target,
        stdin="".join(f"{line}\n" for line in wanted),
    )
    try:
        tree = HostTree.from_facts(facts)
    except ValueError as error:
        reason = _("inspect-tree: its answer is not understood: {error}", error=error)
        raise InspectionFailed(Failure("PROBE_FAILED", reason)) from error
    found = compare(expected, tree, targets)
    return replace(found, diff=tuple(_show_differences(host, path, expected, found)))


def _list_weights_targets(target: ReleaseTarget, source: Source) -> dict[str, str]:
    """Path in the tree of each file of weights -> the file that the release links there."""
    return {
        f"{weights.link.path}/{name}": f"{weights.target}/{name}"
        for weights in target.release.weights
        if weights.link and weights.link.tree == source.name
        for name in target.lock.files_in(weights.folder)
    }


def _show_differences(
    host: Host, root: str, expected: ExpectedTree, found: TreeComparison
) -> Iterator[str]:
    """Yield the first lines in which files differ from what the tool makes."""
    small = [
        path
        for path in found.differing
        if path in expected.files and found.tree.files.get(path, MAX_DIFF_BYTES) < MAX_DIFF_BYTES
    ]
    for path in small[:MAX_DIFFS]:
        command = script_command("read-file", f"{root}/{path}")
        given = connection.connector_arguments(host)
        ok, output = connection.run_command(host, command, given)
        content = decode_content(output.stdout_lines)
        if not ok or content is None:  # nothing is known of its lines
            continue
        try:
            versions = expected.files[path].file.decode()
            text = content.decode()
        except (UnreadableContent, UnicodeDecodeError):
            continue
        original = versions.get(found.generation, versions.get(ANY_GENERATION, ""))
        lines = difflib.unified_diff(original.splitlines(), text.splitlines(), n=0, lineterm="")
        changes = [*islice(lines, 2, None)]  # after the names of the two files
        for line in changes[:MAX_DIFF_LINES]:
            shown = sanitize.escape_line(redact.hide_credentials(line))
            yield f"  {path}: {shown[:MAX_LINE_CHARS]}"
        if len(changes) > MAX_DIFF_LINES:
            yield "  " + _(
                "{path}: and {count:,} more lines", path=path, count=len(changes) - MAX_DIFF_LINES
            )


class CompareTree(HostCommand):
    """Compares a migrated tree with what the tool makes, for the commands that follow.

    Attributes:
        comparison: The result; None before it ran.
    """

    def __init__(self, release: ReleaseTarget, source: Source) -> None:
        """Prepare the comparison.

        Args:
            release: The release.
            source: The source that the tree was made from.
        """
        super().__init__(_("comparing {source}_mlu with what the tool makes", source=source.name))
        self.release, self.source = release, source
        self.comparison: TreeComparison | None = None

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        logger.info(f"{host.print_prefix}{self.title}")
        try:
            found = inspect_tree(host, self.release, self.source)
        except InspectionFailed as error:  # what is not known to differ stays as it is
            return error.failure
        self.comparison = found
        name = f"{self.source.name}_mlu"
        if found.is_equal:
            logger.info(
                host.print_prefix
                + _(
                    "{name} is taken over: {evidence}",
                    name=name,
                    evidence=found.evidence,
                )
            )
        elif found.unproved:
            logger.warning(
                host.print_prefix
                + _(
                    "{name} is not proved to be what the tool makes",
                    name=name,
                )
            )
        else:
            logger.warning(
                host.print_prefix
                + _(
                    "{name} is not what the tool makes",
                    name=name,
                )
            )
        for line in found.differences:
            logger.info(f"{host.print_prefix}  {line}")
        return None
