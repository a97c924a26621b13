"""Addresses as they are shown: whoever reads a log is not given what logs in with them."""

from __future__ import annotations

import re

#: user and password, or a token, before a host; and all that a query says, as signed links do
USERINFO_PATTERN = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@'\"]+@")
QUERY_PATTERN = re.compile(r"(\bhttps?://[^\s?'\"]+\?)[^\s'\"]+")


def hide_credentials(text: str) -> str:
    """A text without the credentials of the addresses in it."""
    return QUERY_PATTERN.sub(r"\1…", USERINFO_PATTERN.sub(r"\1…@", text))
