"""One GET that goes on where an earlier one was cut.

The standard library's client: no HTTP library comes with pyinfra, this one trusts the system's
own authorities (a site's proxy has one), heeds https_proxy, and needs nothing in a bundle.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from fleet.documents import atomic_write
from fleet.text.redact import hide_credentials

CHUNK_BYTES = 1 << 20
#: seconds without a byte
READ_TIMEOUT_S = 60
#: what another try may mend; other answers of a server are final
RETRYABLE_STATUSES = (408, 425, 429, 500, 502, 503, 504)


class TransientError(Exception):
    """It did not end; another try may go on from what is there."""


class PermanentError(Exception):
    """Another try would give the same."""


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    """Goes on to web addresses only, and says where what was hidden is hidden no more."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._warn = say

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https"):
            raise PermanentError(
                f"{hide_credentials(req.full_url)}: leads to {scheme}://, which is no web address"
            )
        if scheme == "http" and req.full_url.startswith("https:"):
            self._warn(
                f"{hide_credentials(req.full_url)}: leads to plain http "
                f"({hide_credentials(newurl)})"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _build_request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    """A request; user and password go to this server alone, and into no log of it."""
    try:
        parts = urlsplit(url)
        userinfo, _, host = parts.netloc.rpartition("@")
        request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)), headers=headers)
    except ValueError as error:
        raise PermanentError(
            f"{hide_credentials(url)}: no address that can be asked: {error}"
        ) from error
    if userinfo:
        user, _, password = userinfo.partition(":")
        said = f"{unquote(user)}:{unquote(password)}".encode()
        request.add_unredirected_header("Authorization", f"Basic {b64encode(said).decode()}")
    return request


def download_file(
    url: str,
    part: Path,
    max_bytes: int,
    on_bytes: Callable[[int], object],
    warn: Callable[[str], object] = lambda line: None,
) -> bool:
    """Fill a partial file up to its end.

    :param limit: bytes; a longer answer is another file
    :param more: told of bytes as they come
    :param say: told of what is not as safe as it was asked to be
    :returns: whether it went on from bytes of an earlier call
    :raises Cut, Final: it is not whole
    :raises OSError: it cannot be written
    """
    begin = part.stat().st_size if part.is_file() else 0
    same = _load_validator(part, url) if begin else None
    if begin == max_bytes:  # all of it came before, and was not compared yet
        return True
    if begin > max_bytes or not same:
        begin = 0
    headers = {"User-Agent": "mlu-fleet", "Accept-Encoding": "identity"}
    if begin and same:  # If-Range: another file there now is sent from its beginning
        headers |= {"Range": f"bytes={begin}-", "If-Range": same}
    shown = hide_credentials(url)
    with _open_response(_build_request(url, headers), part, warn) as answer:
        if answer.status != 206:
            begin = 0
        elif not (answer.headers["Content-Range"] or "").startswith(f"bytes {begin}-"):
            raise PermanentError(f"{shown}: it was asked for bytes {begin}- and sends others")
        _save_validator(part, url, answer.headers)
        _write_body(answer, part, begin, max_bytes, on_bytes)
    return begin > 0


def _open_response(
    request: urllib.request.Request, part: Path, say: Callable[[str], object]
) -> http.client.HTTPResponse:
    url = hide_credentials(request.full_url)
    opener = urllib.request.build_opener(_RedirectHandler(say))
    try:
        answer: http.client.HTTPResponse = opener.open(request, timeout=READ_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            part.unlink(missing_ok=True)
            raise TransientError(f"{url}: the server has no such range") from error
        kind = TransientError if error.code in RETRYABLE_STATUSES else PermanentError
        raise kind(f"{url}: HTTP {error.code} {hide_credentials(str(error.reason))}") from error
    except (http.client.InvalidURL, ValueError) as error:
        raise PermanentError(
            f"{url}: no address that can be asked: {hide_credentials(str(error))}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(
            f"{url}: {hide_credentials(str(getattr(error, 'reason', error)))}"
        ) from error
    return answer


def _write_body(
    answer: http.client.HTTPResponse,
    part: Path,
    begin: int,
    limit: int,
    more: Callable[[int], object],
) -> None:
    length = answer.headers["Content-Length"]
    there = begin
    with part.open("r+b" if begin else "wb") as target:
        target.seek(begin)
        while True:
            try:
                block = answer.read1(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise TransientError(f"cut after {there} bytes: {error}") from error
            if not block:
                break
            there += len(block)
            if there > limit:
                raise PermanentError(f"{hide_credentials(answer.url)}: more than {limit} bytes")
            target.write(block)
            more(len(block))
        os.fsync(target.fileno())
    # read1 says nothing of an answer that ends before its length
    if length is not None and there - begin < int(length):
        raise TransientError(f"cut after {there} bytes")


def _digest_url(url: str) -> str:
    """What tells an address from others and lets nobody in."""
    return hashlib.sha256(url.encode()).hexdigest()


def _metadata_path(part: Path) -> Path:
    return part.with_name(part.name + ".from")


def _load_validator(part: Path, url: str) -> str | None:
    """What names the version of the file that a part is of: a strong ETag, or its date."""
    with suppress(OSError, ValueError, AttributeError):
        known = json.loads(_metadata_path(part).read_text())
        return str(known["validator"]) if known.get("url") == _digest_url(url) else None
    return None


def _save_validator(part: Path, url: str, headers: http.client.HTTPMessage) -> None:
    tag = headers["ETag"] or ""
    validator = tag if tag and not tag.startswith("W/") else headers["Last-Modified"]
    if validator:
        atomic_write.replace_file(
            _metadata_path(part), json.dumps({"url": _digest_url(url), "validator": validator})
        )
    else:
        remove_resume_metadata(part)


def remove_resume_metadata(part: Path) -> None:
    _metadata_path(part).unlink(missing_ok=True)
