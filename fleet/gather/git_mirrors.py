"""Mirrors of git repositories: where a site fetches from instead of the repositories' own URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.text.redact import hide_credentials

#: "FROM=TO": a URL of the origin may have an equals sign only in its query
RULE = re.compile(
    r"(?:(?P<origin>[A-Za-z][A-Za-z0-9+.-]*://[^\s=]+)=)?(?P<mirror>\w[\w+.-]*://\S+)"
)


@dataclass(frozen=True)
class GitMirror:
    """A rule for the URLs of repositories.

    Attributes:
        origin: beginning of the URLs that the rule is for; "" for all http and https URLs.
        mirror: what replaces that beginning; without an origin, it is put before the whole URL.
    """

    origin: str
    mirror: str

    @classmethod
    def parse(cls, text: str) -> GitMirror:
        """Read a rule: MIRROR, or ORIGIN=MIRROR.

        Args:
            text: such as https://github.com/=https://git.example/github/

        Returns:
            The rule.

        Raises:
            InvalidInput: it is not a rule.
        """
        match = RULE.fullmatch(text)
        if not match:
            raise InvalidInput(
                _(
                    "--git-mirror {mirror!r}: expected MIRROR or ORIGIN=MIRROR, each "
                    "a URL such as https://git.example/",
                    mirror=hide_credentials(text),
                )
            )
        return cls(match["origin"] or "", match["mirror"])

    def rewrite(self, url: str) -> str | None:
        """Return the address of a repository at the mirror.

        Args:
            url: the repository's own URL.

        Returns:
            The address; None if the rule is not for this URL.
        """
        if self.origin:
            rest = url.removeprefix(self.origin)
            return self.mirror + rest if rest != url else None
        is_web = url.startswith(("http://", "https://"))
        return f"{self.mirror.rstrip('/')}/{url}" if is_web else None


def rewrite_url(url: str, mirrors: Iterable[GitMirror]) -> str:
    """Return the address to fetch a repository from.

    Args:
        url: the repository's own URL.
        mirrors: rules; the first one for the URL applies.

    Returns:
        The address at a mirror, or the URL.
    """
    addresses = (mirror.rewrite(url) for mirror in mirrors)
    return next((address for address in addresses if address is not None), url)
