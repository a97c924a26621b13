"""Files of a store, fetched from where the release says; each is the lock's or is not there."""

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

#: tries in a row that bring no byte, and seconds before the second; they double
MAX_ATTEMPTS, FIRST_RETRY_DELAY_S = 5, 1.0


def select_files(files: list[StoreFile], only: tuple[str, ...]) -> list[StoreFile]:
    """Files by path, by folder, or by a pattern; all without."""
    if not only:
        return files
    return [
        f
        for f in files
        if any(
            fnmatch.fnmatchcase(f.name, one) or f.name.startswith(one.rstrip("/") + "/")
            for one in only
        )
    ]


def fetch_files(
    files: list[StoreFile],
    store: Path,
    progress: ProgressBar,
    retry_delay_s: float = FIRST_RETRY_DELAY_S,
) -> list[FileProblem]:
    """Fill the store. A file that is there is never replaced.

    :returns: what is still missing or wrong
    """
    found = []
    plain = sorted(
        {
            urlsplit(f.url).netloc.rpartition("@")[2]
            for f in files
            if f.url and f.url.startswith("http:")
        }
    )
    if plain:
        progress.print_line(
            f"plain http ({', '.join(plain)}): others can see what is fetched; the lock's "
            "sha256 still says whether it is right"
        )
    for file in files:
        failure, how = None, "there already"
        if loading.is_file(store / file.name):
            failure = check_file(store / file.name, file.locked, progress.advance)
        else:
            failure, how = _fetch_file(file, store / file.name, progress, retry_delay_s), "fetched"
        progress.file_done(
            file.name, file.locked.size, failure.code if failure else how, right=not failure
        )
        if failure:
            found.append(FileProblem(file.name, failure))
    return found


def _fetch_file(file: StoreFile, path: Path, told: ProgressBar, pause: float) -> Failure | None:
    if not file.url:
        said = f"the release has no URL for it; sha256 {file.locked.sha256}"
        return Failure("FILE_MISSING", f"{said}, {file.locked.size} bytes")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        told.advance(part.stat().st_size if part.is_file() else 0)
        while True:
            resumed = _download_with_retries(file, file.url, part, told, pause)
            sha, _ = chunks.hash_file(part, lambda _: None)
            if sha == file.locked.sha256:
                part.replace(path)
                http.remove_resume_metadata(part)
                return None
            part.unlink()
            http.remove_resume_metadata(part)
            if not resumed:  # what was begun by an earlier run may be what was wrong
                url = hide_credentials(file.url)
                said = f"{url}: sha256 is {sha}, the lock says {file.locked.sha256}"
                return Failure("FETCHED_OTHER", said)
    except http.PermanentError as error:
        return Failure("FETCH", str(error))
    except OSError as error:
        return Failure("FETCH", f"{path}: cannot be written: {error.strerror or error}")


def _download_with_retries(
    file: StoreFile, url: str, part: Path, told: ProgressBar, pause: float
) -> bool:
    """Try until all of it is there. Returns whether some of it is from an earlier try.

    :raises http.Final: it is not to be had
    """
    resumed, failed = False, 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            return (
                http.download_file(url, part, file.locked.size, told.advance, told.print_line)
                or resumed
            )
        except http.TransientError as error:
            after = part.stat().st_size if part.is_file() else 0
            failed = 1 if after > before else failed + 1
            if failed >= MAX_ATTEMPTS:
                raise http.PermanentError(f"{error} ({MAX_ATTEMPTS} tries)") from error
            told.print_line(f"{file.name}: {error}; again in {pause * 2 ** (failed - 1):.0f} s")
            time.sleep(pause * 2 ** (failed - 1))
