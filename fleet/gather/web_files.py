"""Gather files that a release has a URL for: drivers, the image, packages, files at its mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fleet.gather.work import GatherError, GatherOptions, PlanRow, State
from fleet.language import _, text_of
from fleet.release import driver_packages
from fleet.release.model import Release
from fleet.store import file_types, http, required_files
from fleet.store.download import LOGIN_STATUSES, Download, download_verified, part_path
from fleet.store.progress_bar import ProgressBar
from fleet.store.verify import FileProblem
from fleet.text.redact import hide_credentials

NOT_FOUND_STATUSES = (404, 410)


def list_tasks(
    releases: Iterable[Release], store: Path, options: GatherOptions
) -> list[WebFileTask]:
    """List the files of releases that have a URL, except weights.

    Args:
        releases: the releases.
        store: folder of the store.
        options: settings of the run.

    Returns:
        A task for each file.
    """
    tasks: dict[str, WebFileTask] = {}
    for release in releases:
        for name in list_named_files(release):
            if url := required_files.find_address(release, name):
                tasks.setdefault(name, WebFileTask(name, url, store, options))
        for system, _architecture, package in (
            driver_packages.list_from_table(release) if release.mirror else ()
        ):
            if not options.systems or system.name in options.systems:
                url = required_files.find_address(release, package.file) or ""
                task = WebFileTask(package.file, url, store, options, is_optional=True)
                tasks.setdefault(package.file, task)
    return list(tasks.values())


def list_named_files(release: Release) -> Iterator[str]:
    """List the files of a release that nothing else can gather.

    Args:
        release: the release.

    Yields:
        Paths in the store.
    """
    yield from (package.file for package in release.driver.packages.values())
    if release.image.file:
        yield release.image.file
    yield from (source.bundle for source in release.sources if source.bundle and not source.url)
    yield from (package.file for package in release.packages.system if package.file)
    yield from (p.wheel for p in release.packages.pip if p.wheel and "://" not in p.wheel)
    yield from (patch.store for patch in release.patches if patch.store)


class WebFileTask:
    """A file to download.

    Args:
        name: path in the store.
        url: its address.
        store: folder of the store.
        options: settings of the run.
        is_optional: whether the server need not have it (default: False).
    """

    def __init__(
        self,
        name: str,
        url: str,
        store: Path,
        options: GatherOptions,
        *,
        is_optional: bool = False,
    ) -> None:
        self.name, self._url, self._path = name, url, store / name
        self._options, self._is_optional = options, is_optional

    def list_notes(self) -> list[str]:
        """There is nothing to tell."""
        return []

    def plan(self) -> PlanRow:
        """Ask the server for the size.

        Raises:
            GatherError: the server does not have the file, or does not grant access.
        """
        origin, part = hide_credentials(self._url), part_path(self._path)
        if self._path.exists():
            return PlanRow(self.name, origin, 0, "present")
        received = part.stat().st_size if part.is_file() else 0
        try:
            size = http.find_size(self._url)
        except http.TransientError:
            size = None
        except http.PermanentError as error:
            if self._is_optional and error.status in NOT_FOUND_STATUSES:
                return PlanRow(self.name, origin, 0, "missing", (_("the mirror does not have it"),))
            if error.status in (*LOGIN_STATUSES, *NOT_FOUND_STATUSES):
                code = "DOWNLOAD_LOGIN" if error.status in LOGIN_STATUSES else "FETCH"
                raise GatherError.from_failure(self.name, code, text_of(error)) from error
            size = None  # some servers do not answer a request for the size
        state: State = "partial" if received else "missing"
        return PlanRow(self.name, origin, size and max(0, size - received), state)

    def gather(self, progress: ProgressBar) -> bool:
        """Download the file.

        Args:
            progress: shows received bytes.

        Returns:
            Whether it was downloaded.

        Raises:
            GatherError: it could not be downloaded.
        """
        if self._path.exists() or (self._is_optional and self.plan().notes):
            return False
        progress.describe(self.name)
        failure = download_verified(
            Download(self._url, _find_problem), self._path, progress, self._options.retry_delay_s
        )
        if failure:
            raise GatherError([FileProblem(self.name, failure)])
        progress.file_done(self.name, self._path.stat().st_size, _("gathered"))
        return True


def _find_problem(path: Path) -> str:
    """Tell whether a server sent something else; nothing more is known before a lock."""
    with path.open("rb") as stream:
        head = stream.read(file_types.HEAD_BYTES)
    is_other = not head or file_types.is_lfs_pointer(head) or file_types.is_web_page(head)
    return file_types.describe_content(head) if is_other else ""
