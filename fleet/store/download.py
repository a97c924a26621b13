"""Download a file in as many attempts as make progress; it gets its name when it was verified."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleet.errors import Failure
from fleet.language import _, text_of
from fleet.store import http
from fleet.store.progress_bar import ProgressBar
from fleet.text.redact import hide_credentials

#: consecutive attempts that receive nothing, and the delay before the second one; it doubles
MAX_ATTEMPTS, FIRST_RETRY_DELAY_S = 5, 1.0
#: bound of a file whose size is unknown
MAX_FILE_BYTES = 1 << 42
#: statuses of a server that does not grant access
LOGIN_STATUSES = (401, 403)


@dataclass(frozen=True)
class Download:
    """A file to download.

    Attributes:
        url: its address.
        find_problem: tells what is wrong with the downloaded file; "" if it is the right one.
        size: bytes of the file; None if unknown.
        has_checksum: whether `find_problem` compares a checksum.
        mismatch_code: failure code for a file with a problem.
        private_headers: headers with a login, for the server of the URL only.
    """

    url: str
    find_problem: Callable[[Path], str]
    size: int | None = None
    has_checksum: bool = False
    mismatch_code: str = "DOWNLOAD_MISMATCH"
    private_headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def part_path(path: Path) -> Path:
    """Return the path of the partial file.

    Args:
        path: the file.
    """
    return path.with_name(path.name + ".part")


def download_verified(
    download: Download,
    path: Path,
    progress: ProgressBar,
    retry_delay_s: float = FIRST_RETRY_DELAY_S,
) -> Failure | None:
    """Download a file, and give it its name if it is the right one.

    Args:
        download: what to download.
        path: the file, which must not exist; its partial file is continued.
        progress: shows received bytes.
        retry_delay_s: seconds before the second attempt; doubled before each further one.

    Returns:
        The failure, if any.
    """
    part = part_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        progress.advance(part.stat().st_size if part.is_file() else 0)
        while True:
            resumed = _download_with_retries(download, part, progress, retry_delay_s)
            problem = download.find_problem(part)
            if not problem:
                part.replace(path)
                http.remove_resume_metadata(part)
                return None
            part.unlink()
            http.remove_resume_metadata(part)
            if not resumed:  # otherwise the part of an earlier run may be to blame: try once more
                detail = _("{url}: {problem}", url=hide_credentials(download.url), problem=problem)
                return Failure(download.mismatch_code, detail)
    except http.PermanentError as error:
        needs_login = error.status in LOGIN_STATUSES
        return Failure("DOWNLOAD_LOGIN" if needs_login else "FETCH", text_of(error))
    except OSError as error:
        reason = error.strerror or error
        return Failure("FETCH", _("{path}: cannot be written: {reason}", path=path, reason=reason))


def _download_with_retries(
    download: Download, part: Path, progress: ProgressBar, retry_delay_s: float
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
                download.url,
                part,
                MAX_FILE_BYTES if download.size is None else download.size,
                progress.advance,
                progress.print_line,
                private_headers=download.private_headers,
                has_checksum=download.has_checksum,
            )
        except http.TransientError as error:
            after = part.stat().st_size if part.is_file() else 0
            failed = 1 if after > before else failed + 1
            if failed >= MAX_ATTEMPTS:
                raise http.PermanentError(
                    _("{error} ({count} attempts)", error=error, count=MAX_ATTEMPTS)
                ) from error
            delay_s = retry_delay_s * 2 ** (failed - 1)
            name = part.name.removesuffix(".part")
            progress.print_line(
                _(
                    "{name}: {error}; next attempt in {seconds:.0f} s",
                    name=name,
                    error=error,
                    seconds=delay_s,
                )
            )
            time.sleep(delay_s)
