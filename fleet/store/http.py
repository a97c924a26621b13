"""One GET that goes on where an earlier one was cut.

The standard library's client: no HTTP library comes with pyinfra, this one trusts the system's
own authorities (a site's proxy has one), heeds https_proxy, and needs nothing in a bundle.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fleet import whole

CHUNK = 1 << 20
#: seconds without a byte
SILENCE = 60
#: what another try may mend; other answers of a server are final
PASSING = (408, 425, 429, 500, 502, 503, 504)


class Cut(Exception):
    """It did not end; another try may go on from what is there."""


class Final(Exception):
    """Another try would give the same."""


def get(url: str, part: Path, limit: int, more: Callable[[int], object]) -> bool:
    """Fill a partial file up to its end.

    :param limit: bytes; a longer answer is another file
    :param more: told of bytes as they come
    :returns: whether it went on from bytes of an earlier call
    :raises Cut, Final: it is not whole
    :raises OSError: it cannot be written
    """
    begin = part.stat().st_size if part.is_file() else 0
    same = _validator(part, url) if begin else None
    if begin == limit:  # all of it came before, and was not compared yet
        return True
    if begin > limit or not same:
        begin = 0
    headers = {"User-Agent": "mlu-fleet", "Accept-Encoding": "identity"}
    if begin and same:  # If-Range: another file there now is sent from its beginning
        headers |= {"Range": f"bytes={begin}-", "If-Range": same}
    with _answer(urllib.request.Request(url, headers=headers), part) as answer:
        if answer.status != 206:
            begin = 0
        elif not (answer.headers["Content-Range"] or "").startswith(f"bytes {begin}-"):
            raise Final(f"{url}: it was asked for bytes {begin}- and sends others")
        _keep(part, url, answer.headers)
        _write(answer, part, begin, limit, more)
    return begin > 0


def _answer(request: urllib.request.Request, part: Path) -> http.client.HTTPResponse:
    url = request.full_url
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=SILENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            part.unlink(missing_ok=True)
            raise Cut(f"{url}: the server has no such range") from error
        kind = Cut if error.code in PASSING else Final
        raise kind(f"{url}: HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Cut(f"{url}: {getattr(error, 'reason', error)}") from error
    return answer


def _write(
    answer: http.client.HTTPResponse, part: Path, begin: int, limit: int,
    more: Callable[[int], object],
) -> None:  # fmt: skip
    length = answer.headers["Content-Length"]
    there = begin
    with part.open("r+b" if begin else "wb") as target:
        target.seek(begin)
        while True:
            try:
                block = answer.read1(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise Cut(f"cut after {there} bytes: {error}") from error
            if not block:
                break
            there += len(block)
            if there > limit:
                raise Final(f"{answer.url}: more than {limit} bytes")
            target.write(block)
            more(len(block))
        os.fsync(target.fileno())
    # read1 says nothing of an answer that ends before its length
    if length is not None and there - begin < int(length):
        raise Cut(f"cut after {there} bytes")


def _book(part: Path) -> Path:
    return part.with_name(part.name + ".from")


def _validator(part: Path, url: str) -> str | None:
    """What names the version of the file that a part is of: a strong ETag, or its date."""
    with suppress(OSError, ValueError, AttributeError):
        known = json.loads(_book(part).read_text())
        return str(known["validator"]) if known.get("url") == url else None
    return None


def _keep(part: Path, url: str, headers: http.client.HTTPMessage) -> None:
    tag = headers["ETag"] or ""
    validator = tag if tag and not tag.startswith("W/") else headers["Last-Modified"]
    if validator:
        whole.write(_book(part), json.dumps({"url": url, "validator": validator}))
    else:
        forget(part)


def forget(part: Path) -> None:
    _book(part).unlink(missing_ok=True)
