"""Field types of releases, lock files and inventories, and the base model.

Each constrained type describes itself in words; error messages and docs/release.md use them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from fleet.language import N_, _
from fleet.text import sanitize
from fleet.text.redact import hide_credentials


def build_field_error(problem: str, *location: str | int) -> PydanticCustomError:
    """Build the error of a model's validator about a field below that model.

    Args:
        problem: What is wrong.
        *location: Keys and indexes of the field, such as "patches", 0, "source".

    Returns:
        The error, to be raised.
    """
    context = {"problem": problem, "location": location}
    return PydanticCustomError("invalid_field", "{problem}", context)


@dataclass(frozen=True)
class PatternCheck:
    """A check of strings against a pattern.

    Attributes:
        pattern: Regular expression for the whole string.
        description: The pattern in words, for error messages and the reference; a message, which
            `_()` shows.
    """

    pattern: str
    description: str

    def __call__(self, text: str) -> str:
        """Return the text if it matches; raise ValueError if it does not."""
        if not re.fullmatch(self.pattern, text) or sanitize.escape_line(text) != text:
            raise ValueError(
                _(
                    "expected {description}, got {text!r}",
                    description=_(self.description),
                    text=text[:80],
                )
            )
        return text


def matching(pattern: str, description: str) -> AfterValidator:
    """Create a validator for strings that match a pattern.

    Args:
        pattern: Regular expression for the whole string.
        description: The pattern in words, for error messages and the reference.

    Returns:
        The validator, for `Annotated`.
    """
    return AfterValidator(PatternCheck(pattern, description))


def check_stays_inside(path: str) -> str:
    """Reject a relative path that leaves its folder.

    Args:
        path: A relative path.

    Returns:
        The same path.

    Raises:
        ValueError: The path is absolute or contains `..`.
    """
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(
            _("{path!r} is outside its folder: use a relative path without ..", path=path[:80])
        )
    return path


def check_http_url(url: str | None) -> str | None:
    """Reject what is not a URL of a web server.

    Args:
        url: The URL; None is accepted.

    Returns:
        The same URL.

    Raises:
        ValueError: It is something else; the message hides a login in it.
    """
    if url is None:
        return None
    try:
        valid = re.fullmatch(r"https?://[^\s/]+\S*", url) and urlsplit(url).port != 0
    except ValueError:  # invalid port or IPv6 address
        valid = False
    if not valid:
        raise ValueError(
            _(
                "expected a URL (https://…), got {url!r}",
                url=hide_credentials(url)[:80],
            )
        )
    return url


# paths are passed through shells, lists separated by blanks, and Docker's host:container syntax
_PATH_CHARACTER = r"[^\s:'\"\\`$*?\[\]\x00-\x1f\x7f]"
AbsolutePath = Annotated[
    str,
    matching(
        rf"/{_PATH_CHARACTER}*",
        N_("an absolute path without blanks, quotes, colons, wildcards, $ and \\"),
    ),
]
RelativePath = Annotated[
    str,
    matching(
        rf"{_PATH_CHARACTER}+",
        N_("a relative path without blanks, quotes, colons, wildcards, $ and \\"),
    ),
    AfterValidator(check_stays_inside),
]
Commit = Annotated[str, matching(r"[0-9a-f]{7,40}", N_("a commit: 7 to 40 hexadecimal digits"))]
Name = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]*", N_("a name of letters, digits, dots, _ and -"))
]
Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", N_("a SHA-256: 64 hexadecimal digits"))]
ImageReference = Annotated[
    str,
    matching(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", N_("an image reference: registry.example/name:tag")),
]
RegistryReference = Annotated[
    str,
    matching(
        r"(localhost|(?=[^/]*[.:])[A-Za-z0-9.-]+)(:[0-9]{1,5})?"
        r"(/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)+@sha256:[0-9a-f]{64}",
        N_("an image in a registry by its digest: registry.example/name@sha256:…"),
    ),
]
# excluded from digests: where a file is downloaded from does not change what a host must be
DownloadUrl = Annotated[str | None, AfterValidator(check_http_url), Field(exclude=True)]
# strict: pydantic would accept true as a number and "no" as a boolean
Int = Annotated[int, Field(strict=True)]
Bool = Annotated[bool, Field(strict=True)]


class Model(BaseModel):
    """An immutable model that rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
