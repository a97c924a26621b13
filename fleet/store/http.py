"""A resumable HTTP download.

The standard library's client is used because pyinfra brings no HTTP library, and because this one
uses the system's certificate authorities (a site's proxy often has its own), respects
``https_proxy`` and adds nothing to a bundle.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from typing_extensions import override

from fleet.documents import atomic_write
from fleet.language import _
from fleet.text.redact import hide_credentials

CHUNK_BYTES = 1 << 20
COMMON_HEADERS = {"User-Agent": "mlu-fleet", "Accept-Encoding": "identity"}
#: headers with a login, as urllib writes them
LOGIN_HEADERS = {"Authorization", "Cookie"}
#: longest time without a byte
READ_TIMEOUT_S = 60
#: statuses after which another attempt may succeed
RETRYABLE_STATUSES = (408, 425, 429, 500, 502, 503, 504)


class TransientError(Exception):
    """The download was interrupted; another attempt may continue it."""


class PermanentError(Exception):
    """The download failed, and another attempt would fail as well.

    Attributes:
        status: the server's HTTP status; 0 if it has sent none.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirects to web addresses only, and warns about those that end encryption.

    A login goes along on the same server only: Hugging Face redirects within itself.
    """

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn

    @override
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        origin, scheme = hide_credentials(req.full_url), urlsplit(newurl).scheme
        if scheme not in ("http", "https"):
            raise PermanentError(
                _(
                    "{origin}: redirects to {scheme}://, which is not http or https",
                    origin=origin,
                    scheme=scheme,
                )
            )
        if scheme == "http" and req.full_url.startswith("https:"):
            self._warn(
                _(
                    "{origin}: redirects to unencrypted http ({url})",
                    origin=origin,
                    url=hide_credentials(newurl),
                )
            )
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request and _find_origin(newurl) == _find_origin(req.full_url):
            for name in LOGIN_HEADERS & set(req.unredirected_hdrs):
                request.add_unredirected_header(name, req.unredirected_hdrs[name])
        return request


def _find_origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2]


def _build_request(
    url: str, headers: dict[str, str], private_headers: Mapping[str, str] = {}
) -> urllib.request.Request:
    """Build a request whose login is sent to its own server only, not where that redirects to."""
    try:
        parts = urlsplit(url)
        userinfo, _at, host = parts.netloc.rpartition("@")
        request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)), headers=headers)
    except ValueError as error:
        raise PermanentError(
            _("{url}: invalid URL: {error}", url=hide_credentials(url), error=error)
        ) from error
    if userinfo:
        user, _colon, password = userinfo.partition(":")
        login = f"{unquote(user)}:{unquote(password)}".encode()
        request.add_unredirected_header("Authorization", f"Basic {b64encode(login).decode()}")
    for name, value in private_headers.items():
        request.add_unredirected_header(name, value)
    return request


def _find_usable(
    part: Path, url: str, max_bytes: int, *, has_checksum: bool
) -> tuple[int, str | None]:
    """Return how many bytes of a partial file can be used, and what tells their version."""
    size = part.stat().st_size if part.is_file() else 0
    validator = _load_validator(part, url) if size else None
    is_usable = size == max_bytes or (size < max_bytes and (validator or has_checksum))
    return size if is_usable else 0, validator


def _rest_headers(begin: int, validator: str | None) -> dict[str, str]:
    """Return the headers that ask for a file from a byte on."""
    headers = dict(COMMON_HEADERS)
    if begin:
        headers["Range"] = f"bytes={begin}-"
    if begin and validator:  # If-Range: a new version is sent from its beginning
        headers["If-Range"] = validator
    return headers


def _find_begin(response: http.client.HTTPResponse, url: str, asked: int) -> int:
    """Return the byte that a response begins at, which is the one that was asked for or 0."""
    if response.status != 206:
        return 0
    if not (response.headers["Content-Range"] or "").startswith(f"bytes {asked}-"):
        raise PermanentError(
            _(
                "{url}: the server sends another range than bytes {begin}-",
                url=hide_credentials(url),
                begin=asked,
            )
        )
    return asked


def download_file(
    url: str,
    part: Path,
    max_bytes: int,
    on_bytes: Callable[[int], object],
    warn: Callable[[str], object] = lambda line: None,
    *,
    private_headers: Mapping[str, str] = {},
    has_checksum: bool = False,
) -> bool:
    """Download a file, or the rest of it.

    Args:
        url: an http or https address, possibly with user and password.
        part: the partial file; it is continued if the server still has the same version.
        max_bytes: expected size in bytes; a longer response is another file.
        on_bytes: called with the number of bytes of each received block.
        warn: called with a line for each redirect that is less secure than the URL.
        private_headers: headers with a login, which a redirect to another server does not get
            (default: none).
        has_checksum: whether the caller compares the file with a checksum, so that it is continued
            even if the server does not tell which version it sends (default: False).

    Returns:
        Whether bytes of an earlier call were used.

    Raises:
        TransientError: the download was interrupted.
        PermanentError: the URL has no such file.
        OSError: the partial file cannot be written.
    """
    begin, validator = _find_usable(part, url, max_bytes, has_checksum=has_checksum)
    if begin == max_bytes:  # an earlier call was killed before it compared the file
        return True
    request = _build_request(url, _rest_headers(begin, validator), private_headers)
    with _open_response(request, warn, part) as response:
        begin = _find_begin(response, url, begin)
        _save_validator(part, url, response.headers)
        _write_body(response, part, begin, max_bytes, on_bytes)
    return begin > 0


def read_document(url: str, max_bytes: int, private_headers: Mapping[str, str] = {}) -> bytes:
    """Read a small document.

    Args:
        url: an http or https address.
        max_bytes: a longer one is refused.
        private_headers: headers with a login, which a redirect to another server does not get
            (default: none).

    Returns:
        Its content.

    Raises:
        TransientError: it could not be read; another attempt may succeed.
        PermanentError: there is no such document.
    """
    request = _build_request(url, dict(COMMON_HEADERS), private_headers)
    with _open_response(request) as response:
        try:
            content = response.read(max_bytes + 1)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(
                _("{url}: interrupted: {error}", url=hide_credentials(url), error=error)
            ) from error
    if len(content) > max_bytes:
        raise PermanentError(
            _(
                "{url}: more than {count} bytes",
                url=hide_credentials(url),
                count=max_bytes,
            )
        )
    return content


def find_size(url: str) -> int | None:
    """Ask a server for the size of a file.

    Args:
        url: an http or https address.

    Returns:
        Bytes; None if the server does not tell.

    Raises:
        TransientError: the server could not be asked; another attempt may succeed.
        PermanentError: there is no such file.
    """
    request = _build_request(url, dict(COMMON_HEADERS))
    request.method = "HEAD"
    with _open_response(request) as response:
        length = response.headers["Content-Length"] or ""
    return int(length) if length.isdigit() else None


def _open_response(
    request: urllib.request.Request,
    warn: Callable[[str], object] = lambda line: None,
    part: Path | None = None,
) -> http.client.HTTPResponse:
    url = hide_credentials(request.full_url)
    opener = urllib.request.build_opener(_RedirectHandler(warn))
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=READ_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if part and error.code == 416:
            part.unlink(missing_ok=True)
            raise TransientError(
                _("{url}: the server does not have this range", url=url)
            ) from error
        problem = f"{url}: HTTP {error.code} {hide_credentials(str(error.reason))}"
        if error.code in RETRYABLE_STATUSES:
            raise TransientError(problem) from error
        raise PermanentError(problem, error.code) from error
    except (http.client.InvalidURL, ValueError) as error:
        raise PermanentError(
            _("{url}: invalid URL: {error}", url=url, error=hide_credentials(str(error)))
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = hide_credentials(str(getattr(error, "reason", error)))
        raise TransientError(f"{url}: {reason}") from error
    return response


def _write_body(
    response: http.client.HTTPResponse,
    part: Path,
    begin: int,
    max_bytes: int,
    on_bytes: Callable[[int], object],
) -> None:
    length = response.headers["Content-Length"]
    size = begin
    with part.open("r+b" if begin else "wb") as target:
        target.seek(begin)
        while True:
            try:
                block = response.read1(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise TransientError(
                    _("interrupted after {size} bytes: {error}", size=size, error=error)
                ) from error
            if not block:
                break
            size += len(block)
            if size > max_bytes:
                raise PermanentError(
                    _(
                        "{url}: more than {count} bytes",
                        url=hide_credentials(response.url),
                        count=max_bytes,
                    )
                )
            target.write(block)
            on_bytes(len(block))
        os.fsync(target.fileno())
    # read1 does not report a response that ends before its length
    if length is not None and size - begin < int(length):
        raise TransientError(_("interrupted after {size} bytes", size=size))


def _digest_url(url: str) -> str:
    """Identify a URL without storing its credentials."""
    return hashlib.sha256(url.encode()).hexdigest()


def _metadata_path(part: Path) -> Path:
    return part.with_name(part.name + ".from")


def _load_validator(part: Path, url: str) -> str | None:
    """Return the version that a partial file belongs to: a strong ETag or a date."""
    with suppress(OSError, ValueError, AttributeError):
        metadata = json.loads(_metadata_path(part).read_text())
        return str(metadata["validator"]) if metadata.get("url") == _digest_url(url) else None
    return None


def _save_validator(part: Path, url: str, headers: http.client.HTTPMessage) -> None:
    tag = headers["ETag"] or ""
    validator = tag if tag and not tag.startswith("W/") else headers["Last-Modified"]
    if validator:
        metadata = {"url": _digest_url(url), "validator": validator}
        atomic_write.replace_file(_metadata_path(part), json.dumps(metadata))
    else:
        remove_resume_metadata(part)


def remove_resume_metadata(part: Path) -> None:
    """Remove the record of the version that a partial file belongs to.

    Args:
        part: the partial file, which may be gone already.
    """
    _metadata_path(part).unlink(missing_ok=True)
