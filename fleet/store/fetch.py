"""Download the files of a store from the URLs in its releases.

A file gets its name only when its sha256 matches the lock.
"""

from __future__ import annotations

import fnmatch
import time
from pathlib import Path
from urllib.parse import urlsplit

from fleet.checksum import chunks
from fleet.documents import loading
from fleet.errors import Failure
from fleet.store import http
from fleet.store.progress_bar import ProgressBar
from fleet.store.required_files import StoreFile
from fleet.store.verify import FileProblem, check_file
from fleet.text.redact import hide_credentials

#: consecutive attempts that receive nothing, and the delay before the second one; it doubles
MAX_ATTEMPTS, FIRST_RETRY_DELAY_S = 5, 1.0


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
            failure, result = check_file(path, file.locked, progress.advance), "already present"
        else:
            failure, result = _fetch_file(file, path, progress, retry_delay_s), "fetched"
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
            f"plain http ({', '.join(hosts)}): the download can be observed; its sha256 is still "
            "compared with the lock"
        )


def _fetch_file(
    file: StoreFile, path: Path, progress: ProgressBar, retry_delay_s: float
) -> Failure | None:
    """Download one file; return the failure, if any."""
    expected = file.locked.sha256
    if not file.url:
        detail = f"the release has no URL for it; sha256 {expected}, {file.locked.size} bytes"
        return Failure("FILE_MISSING", detail)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        progress.advance(part.stat().st_size if part.is_file() else 0)
        while True:
            resumed = _download_with_retries(file, file.url, part, progress, retry_delay_s)
            sha256, _ = chunks.hash_file(part, lambda _: None)
            if sha256 == expected:
                part.replace(path)
                http.remove_resume_metadata(part)
                return None
            part.unlink()
            http.remove_resume_metadata(part)
            if not resumed:  # otherwise the part of an earlier run may be to blame: try once more
                detail = (
                    f"{hide_credentials(file.url)}: sha256 is {sha256}, the lock has {expected}"
                )
                return Failure("DOWNLOAD_MISMATCH", detail)
    except http.PermanentError as error:
        return Failure("FETCH", str(error))
    except OSError as error:
        return Failure("FETCH", f"{path}: cannot be written: {error.strerror or error}")


def _download_with_retries(
    file: StoreFile, url: str, part: Path, progress: ProgressBar, retry_delay_s: float
) -> bool:
    """Download a file in as many attempts as make progress.

    Returns:
        Whether bytes of an earlier attempt were used.

    Raises:
        http.PermanentError: it cannot be downloaded.
    """
    failed = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            return http.download_file(
                url, part, file.locked.size, progress.advance, progress.print_line
            )
        except http.TransientError as error:
            after = part.stat().st_size if part.is_file() else 0
            failed = 1 if after > before else failed + 1
            if failed >= MAX_ATTEMPTS:
                raise http.PermanentError(f"{error} ({MAX_ATTEMPTS} attempts)") from error
            delay_s = retry_delay_s * 2 ** (failed - 1)
            progress.print_line(f"{file.name}: {error}; next attempt in {delay_s:.0f} s")
            time.sleep(delay_s)
