"""Download the files of a store from the URLs in its releases.

A file gets its name only when its sha256 matches the lock.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

from fleet.checksum import chunks
from fleet.documents import loading
from fleet.errors import Failure
from fleet.language import _
from fleet.store.download import FIRST_RETRY_DELAY_S, Download, download_verified
from fleet.store.progress_bar import ProgressBar
from fleet.store.required_files import StoreFile
from fleet.store.verify import FileProblem, check_file
from fleet.text.word_lists import join_words


def select_files(files: list[StoreFile], only: tuple[str, ...]) -> list[StoreFile]:
    """Select files of a store.

    Args:
        files: all files.
        only: paths, folders or patterns with wildcards; empty selects everything.

    Returns:
        The files that match at least one item of `only`.
    """
    if not only:
        return files
    return [file for file in files if any(_is_match(file.name, pattern) for pattern in only)]


def _is_match(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or name.startswith(pattern.rstrip("/") + "/")


def fetch_files(
    files: list[StoreFile],
    store: Path,
    progress: ProgressBar,
    retry_delay_s: float = FIRST_RETRY_DELAY_S,
) -> list[FileProblem]:
    """Download missing files of a store. A file that exists is compared, never replaced.

    Args:
        files: files that the store should have.
        store: folder of the store.
        progress: shows received and compared bytes.
        retry_delay_s: seconds before the second attempt; doubled before each further one.

    Returns:
        The files that are still missing or wrong.
    """
    _warn_about_plain_http(files, progress)
    problems = []
    for file in files:
        path = store / file.name
        if loading.is_file(path):
            failure, result = check_file(path, file.locked, progress.advance), _("already present")
        else:
            failure, result = _fetch_file(file, path, progress, retry_delay_s), _("fetched")
        result = failure.code if failure else result
        progress.file_done(file.name, file.locked.size, result, ok=not failure)
        if failure:
            problems.append(FileProblem(file.name, failure))
    return problems


def _warn_about_plain_http(files: list[StoreFile], progress: ProgressBar) -> None:
    urls = [file.url for file in files if file.url and file.url.startswith("http:")]
    hosts = sorted({urlsplit(url).netloc.rpartition("@")[2] for url in urls})
    if hosts:
        progress.print_line(
            _(
                "plain http ({hosts}): the download can be observed; its sha256 is "
                "still compared with the lock",
                hosts=join_words(hosts),
            )
        )


def _fetch_file(
    file: StoreFile, path: Path, progress: ProgressBar, retry_delay_s: float
) -> Failure | None:
    """Download one file; return the failure, if any."""
    expected = file.locked.sha256
    if not file.url:
        detail = _(
            "the release has no URL for it; sha256 {sha256}, {size} bytes",
            sha256=expected,
            size=file.locked.size,
        )
        return Failure("FILE_MISSING", detail)

    def find_problem(part: Path) -> str:
        sha256, _chunks = chunks.hash_file(part, lambda _block: None)
        if sha256 == expected:
            return ""
        return _("sha256 is {sha256}, the lock has {expected}", sha256=sha256, expected=expected)

    download = Download(file.url, find_problem, file.locked.size, has_checksum=True)
    return download_verified(download, path, progress, retry_delay_s)
