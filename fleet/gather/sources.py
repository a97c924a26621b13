"""Gather git sources: fetch each repository, and write the bundle that hosts are given."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.errors import InvalidInput
from fleet.gather import git_mirrors
from fleet.gather.partial_clone import PartialClone
from fleet.gather.work import GatherError, GatherOptions, PlanRow, State, cache_path
from fleet.language import _, text_of
from fleet.release.model import Release, Source
from fleet.store import git_repositories
from fleet.store.git_repositories import GitError
from fleet.store.progress_bar import ProgressBar
from fleet.text.redact import hide_credentials

FULL_COMMIT_DIGITS = 40
#: everything that a commit can be found in
ALL_REFSPECS = ("+refs/heads/*:refs/origin/*", "+refs/tags/*:refs/tags/*")
NO_REVISION = re.compile(r"couldn't find remote ref|not our ref|no such remote ref", re.IGNORECASE)
#: answers of servers that give out commits by their refs only, and of git before 2.5
REFUSED_COMMIT = re.compile(
    r"unadvertised object|not our ref|couldn't find remote ref|does not allow request|"
    r"invalid refspec",
    re.IGNORECASE,
)


def list_tasks(
    releases: Iterable[Release], store: Path, options: GatherOptions
) -> list[SourceTask]:
    """List the bundles of releases.

    Args:
        releases: the releases.
        store: folder of the store.
        options: settings of the run.

    Returns:
        A task for each bundle that has a URL.
    """
    sources: dict[str, list[Source]] = {}
    for release in releases:
        for source in release.sources:
            if source.bundle and source.url:
                sources.setdefault(source.bundle, []).append(source)
    return [SourceTask(name, tuple(found), store, options) for name, found in sources.items()]


class SourceTask:
    """A bundle to gather.

    Args:
        name: path of the bundle in the store.
        sources: the sources that it is for; they come from one repository.
        store: folder of the store.
        options: settings of the run.
    """

    def __init__(
        self, name: str, sources: tuple[Source, ...], store: Path, options: GatherOptions
    ) -> None:
        self.name, self._sources, self._store = name, sources, store
        self._url = git_mirrors.rewrite_url(sources[0].url or "", options.git_mirrors)
        digest = hashlib.sha256((sources[0].url or "").encode()).hexdigest()[:8]
        self._cache = cache_path(store, f"git/{sources[0].name}-{digest}.git")
        self._retry_delay_s = options.retry_delay_s

    def list_notes(self) -> list[str]:
        """There is nothing to tell."""
        return []

    def plan(self) -> PlanRow:
        """Describe the work, without asking the origin."""
        present = self._is_present()
        partial = (self._cache / "HEAD").is_file()
        state: State = "present" if present else "partial" if partial else "missing"
        return PlanRow(self.name, hide_credentials(self._url), 0 if present else None, state)

    def gather(self, progress: ProgressBar) -> bool:
        """Fetch the repository, and write the bundle.

        Args:
            progress: shows git's own progress.

        Returns:
            Whether the bundle was written.

        Raises:
            GatherError: the repository cannot be fetched, or has another content than the release
                says.
        """
        if self._is_present():
            return False
        clone = PartialClone(
            self._cache,
            self._url,
            lambda line: progress.describe(f"{self.name}: {line}"),
            self._retry_delay_s,
        )
        progress.print_line(
            _("{name}: fetching {origin}", name=self.name, origin=hide_credentials(self._url))
        )
        try:
            clone.create()
            refs = [self._fetch_source(clone, source) for source in self._sources]
            self._write_bundle(clone, refs)
        except GitError as error:
            raise GatherError.from_failure(self.name, "GIT_FETCH", text_of(error)) from error
        except OSError as error:
            raise GatherError.from_failure(self.name, "GIT_FETCH", text_of(error)) from error
        return True

    def _is_present(self) -> bool:
        """Tell whether the store has the bundle, with all revisions."""
        bundle = self._store / self.name
        if not bundle.exists():
            return False
        for source in self._sources:
            try:
                found = _has_revision(bundle, source, self._store)
            except InvalidInput as error:
                raise GatherError.from_failure(
                    self.name, "STORE_DIFFERS", text_of(error)
                ) from error
            if not found:
                detail = _(
                    "source {source}: the bundle has no {revision}",
                    source=source.name,
                    revision=source.revision,
                )
                raise GatherError.from_failure(self.name, "STORE_DIFFERS", detail)
        return True

    def _fetch_source(self, clone: PartialClone, source: Source) -> str:
        """Fetch the revision of a source; return a branch or tag that has it."""
        if source.commit:
            return self._fetch_commit(clone, source, source.commit)
        try:
            if source.tag:
                ref = f"refs/tags/{source.tag}"
                clone.fetch(f"+{ref}:{ref}")
                return ref
            branch = source.branch or self._find_default_branch()
            target = f"refs/heads/{branch or 'head'}"
            clone.fetch(f"+{f'refs/heads/{branch}' if branch else 'HEAD'}:{target}")
            return target
        except GitError as error:
            if NO_REVISION.search(error.output):
                raise self._report_missing(source) from error
            raise

    def _find_default_branch(self) -> str:
        """Ask the origin for the name of the branch at its HEAD; "" if it does not tell."""
        output = git_repositories.run_git(
            "ls-remote", "--symref", "--", self._url, "HEAD", isolated=False
        )
        match = re.search(r"^ref: refs/heads/(\S+)\s+HEAD$", output, re.MULTILINE)
        return match[1] if match else ""

    def _fetch_commit(self, clone: PartialClone, source: Source, commit: str) -> str:
        found = clone.find_commit(commit)
        if not found and len(commit) == FULL_COMMIT_DIGITS:
            try:
                clone.fetch(f"{commit}:refs/heads/pinned-{commit[:12]}")
                found = clone.find_commit(commit)
            except GitError as error:
                if not REFUSED_COMMIT.search(error.output):
                    raise
        if not found:
            clone.fetch(*ALL_REFSPECS)
            found = clone.find_commit(commit)
        if not found or not found.startswith(commit):  # a tag may be named like a commit
            raise self._report_missing(source)
        ref = f"refs/heads/pinned-{found[:12]}"
        clone.run("update-ref", ref, found)
        return ref

    def _report_missing(self, source: Source) -> GatherError:
        detail = _(
            "source {source}: {origin} has no {revision}",
            source=source.name,
            origin=hide_credentials(self._url),
            revision=source.revision,
        )
        return GatherError.from_failure(self.name, "REVISION_NOT_FOUND", detail)

    def _write_bundle(self, clone: PartialClone, refs: list[str]) -> None:
        """Write a complete bundle in the format that git 1.8 reads, with a branch at its HEAD."""
        pairs = list(zip(self._sources, refs, strict=True))
        head = next((ref for source, ref in pairs if source.unpinned), refs[0])
        if head.startswith("refs/tags/"):
            commit = clone.run("rev-parse", "--verify", f"{head}^{{commit}}")
            head = f"refs/heads/pinned-{commit[:12]}"
            clone.run("update-ref", head, commit)
        clone.run("symbolic-ref", "HEAD", head)
        bundle = self._store / self.name
        bundle.parent.mkdir(parents=True, exist_ok=True)
        part = bundle.with_name(f"{bundle.name}.part")
        names = dict.fromkeys(["HEAD", head, *refs])
        clone.run("bundle", "create", "--quiet", "--version=2", str(part.absolute()), *names)
        part.replace(bundle)


def _has_revision(bundle: Path, source: Source, store: Path) -> bool:
    """Tell whether a bundle has the revision of a source.

    Raises:
        InvalidInput: it is not a complete bundle.
    """
    header = git_repositories.read_bundle_header(bundle)
    if header.prerequisites:
        raise InvalidInput(
            _(
                "{bundle}: it contains only changes since {commit}",
                bundle=bundle,
                commit=header.prerequisites[0],
            )
        )
    if not source.commit:
        kind = "tags" if source.tag else "heads"
        return (f"refs/{kind}/{source.revision}" if not source.unpinned else "HEAD") in header.refs
    if any(commit.startswith(source.commit) for commit in header.refs.values()):
        return True
    with TemporaryDirectory(prefix="mlufleet-") as scratch:
        try:
            git_repositories.resolve_commit(
                source, store, Path(scratch) / "clone", lambda _block: None
            )
        except InvalidInput:
            return False
    return True
