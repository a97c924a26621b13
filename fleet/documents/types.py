"""Shapes of the values in releases, locks and inventories; each says itself in words."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fleet.text import sanitize
from fleet.text.redact import hide_credentials


def matching(pattern: str, description: str) -> AfterValidator:
    """A text of a shape, and that shape in words for whom it does not fit."""

    def checked(text: str) -> str:
        if not re.fullmatch(pattern, text) or sanitize.escape_line(text) != text:
            raise ValueError(f"{text[:80]!r} is not {description}")
        return text

    checked.__doc__ = description
    return AfterValidator(checked)


# paths go through shells, lists split by blanks, and docker's host:container
_PATH_CHARACTER = r"[^\s:'\"\\`$*?\[\]\x00-\x1f\x7f]"
_PATH_RULE = "without blanks, quotes, colons, wildcards, $ and \\"
AbsolutePath = Annotated[str, matching(rf"/{_PATH_CHARACTER}*", f"an absolute path {_PATH_RULE}")]
RelativePath = Annotated[
    str,
    matching(rf"{_PATH_CHARACTER}+", f"a path {_PATH_RULE}"),
    AfterValidator(lambda path: check_stays_inside(path)),
]
Commit = Annotated[str, matching(r"[0-9a-f]{7,40}", "a commit: 7 to 40 digits of 0-9 and a-f")]
Name = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a name of letters, digits, dots, _ and -")
]
Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", "a sha256: 64 digits of 0-9 and a-f")]
ImageReference = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", "an image: registry.example/name:tag")
]
# where files of the store come from is no part of what a host must be: no digest has it
DownloadUrl = Annotated[
    str | None,
    AfterValidator(lambda url: url if url is None else _check_http_url(url)),
    Field(exclude=True),
]
# True is a number and "no" is true where Python is asked
Int = Annotated[int, Field(strict=True)]
Bool = Annotated[bool, Field(strict=True)]


def _check_http_url(url: str) -> str:
    try:
        right = re.fullmatch(r"https?://[^\s/]+\S*", url) and urlsplit(url).port != 0
    except ValueError:  # of a port or an IPv6 address
        right = False
    if not right:
        raise ValueError(f"{hide_credentials(url)[:80]!r} is not an address: https://…")
    return url


def check_stays_inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path[:80]!r} leaves its folder")
    return path


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
